import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs a sample in its own process, on free ports, while `use` runs.
 *
 * @param main the file that starts the sample
 * @param use gets the facts that the sample sends to its demo, and the id of its process
 */
export async function withServer<Facts>(
  main: URL,
  use: (facts: Facts, pid: number | undefined) => Promise<void>,
): Promise<void> {
  const server = fork(main, {
    env: { ...process.env, PORT: '0', AUTHORIZATION_SERVER_PORT: '0' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    await use(await factsFrom<Facts>(server), server.pid);
  } finally {
    server.kill();
  }
}

async function factsFrom<Facts>(child: ChildProcess): Promise<Facts> {
  const [facts] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (typeof facts !== 'object' || facts === null) throw new Error('The server ended before it was ready.');
  return facts as Facts;
}
