import { ResourceServers } from '../../build/lib/resource-servers/resource-servers.js';
import { readOptions } from '../../build/lib/options/read-options.js';
import { RESOURCE } from '../resource.js';

/**
 * Returns the verifier behind the guard, without Nest.
 *
 * @param {object} options as for the module, without `resource`
 * @param {() => number} [now] milliseconds since the epoch
 */
export function verifierWith(options, now = Date.now) {
  const fail = (...args) => {
    throw new Error('What the measurement relies on failed', { cause: args });
  };
  const failures = {
    keysFetched: () => undefined,
    introspectionAnswered: () => undefined,
    keysFailed: fail,
    introspectionFailed: fail,
    lookUpFailed: fail,
    verifierFailed: fail,
    serverFound: fail,
  };
  const servers = new ResourceServers(readOptions({ resource: RESOURCE, ...options }), {
    now,
    failures,
    findVerifier: fail,
  });
  return servers.first.verifier;
}
