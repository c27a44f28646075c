import { createServer } from 'node:net';

/**
 * Below the ports that operating systems assign by themselves, and above 10080, the highest "bad port" of `fetch`.
 */
const [FIRST, LAST] = [10_100, 32_000];

let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

/** A port on loopback on which no process listens, for a server that has its own address in its configuration. */
export async function freePort() {
  for (let tries = 0; tries < 100; tries += 1) {
    next = next >= LAST ? FIRST : next + 1;
    const port = next;
    if (await isFree(port)) return port;
  }
  throw new Error(`None of the 100 ports before ${next} is free.`);
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
