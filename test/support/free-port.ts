import { createServer } from 'node:net';

/**
 * Below the ports that operating systems assign for port 0 and for outgoing connections, which could take a port just found.
 * Above 10080, the highest "bad port" of `fetch` (Fetch Standard).
 */
const [LOWEST, HIGHEST] = [10_100, 32_000];

/**
 * Each worker of Jest tries ports of its own. Two processes that try the same ports at the same time find the same one free,
 * and only one of them can listen on it.
 */
const WORKERS = 8;
const PORTS = Math.floor((HIGHEST - LOWEST) / WORKERS);
const FIRST = LOWEST + (Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS) * PORTS;
const LAST = FIRST + PORTS - 1;

/** The next port to try. It starts at random, because several test runs may be under way. */
let next = FIRST + Math.floor(Math.random() * PORTS);

/**
 * Finds a port on which no process listens, for a server that has its own address in its configuration. Repeats a port only
 * after all others of this worker.
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
