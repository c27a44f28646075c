/** What a product needs could not be had, for instance since there is no network: its run is skipped. */
export class NotInstalled extends Error {}

/**
 * Installs a product.
 *
 * @template T
 * @param {() => T} work
 * @throws {NotInstalled} with the cause, if it fails
 */
export function install(work) {
  try {
    return work();
  } catch (cause) {
    throw new NotInstalled(`it could not be installed: ${cause.message.trim().split('\n', 1)[0]}`, { cause });
  }
}
