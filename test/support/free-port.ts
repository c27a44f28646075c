import { createServer } from 'node:net';

/**
 * Below all that operating systems hand out for port 0 and to outgoing connections, which could take a port just found; above
 * 10080, the highest that `fetch` refuses as "bad" (Fetch Standard).
 */
const [FIRST, LAST] = [10_100, 32_000];

/** Where this process begins to look: two that run at the same time seldom meet. */
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

/**
 * A port on which nothing listens, for a server whose own address is part of its configuration. No port is found twice in
 * one process before all others were.
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
