import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** The preferred port, or a port that the system chooses if that one is taken. */
export async function freePort(preferred: number, onNotice: (notice: string) => void): Promise<number> {
  const probe = createServer();
  try {
    await once(probe.listen(preferred, '127.0.0.1'), 'listening');
  } catch (error) {
    // EACCES: Windows reserves some ports.
    if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    onNotice(`port ${preferred} is taken, so another one is used`);
    return freePort(0, onNotice);
  }
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
