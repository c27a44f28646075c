import { createServer } from 'node:net';

/**
 * Below the ports that operating systems assign for port 0 and for outgoing connections, which could take a port just found.
 * Above 10080, the highest "bad port" of `fetch` (Fetch Standard).
 */
const [FIRST, LAST] = [10_100, 32_000];

/** The next port to try. It starts at random, because several processes run at the same time. */
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

/**
 * Finds a port on which no process listens, for a server that has its own address in its configuration. Repeats a port only
 * after all others.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    next = next >= LAST ? FIRST : next + 1;
    const port = next;
    if (await isFree(port)) return port;
  }
  throw new Error(`None of the 100 ports before ${next} is free.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
