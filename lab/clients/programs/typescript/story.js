import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Connect, call, step up, call again after the token expired.
 *
 * @param {{ connect(): Promise<unknown>, call(name: string, args: object): Promise<unknown> }} host `connect` and `call` let
 *   the user sign in when the SDK asks for that
 */
export async function goThrough({ connect, call }) {
  let failure;
  try {
    await connect();
    await call('whoami', {});
    // A client that cannot step up may do everything else.
    await call('add-note', { text: 'Buy milk' }).catch((error) => (failure = error));
    if (process.env.WAIT) {
      await sleep(Number(process.env.WAIT) * 1000);
      await call('whoami', {});
    }
    if (failure) throw failure;
    process.exit();
  } catch (error) {
    console.error(String(error?.message ?? error).slice(0, 500));
    process.exit(1);
  }
}
