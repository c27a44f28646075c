/** Records a CPU profile of its own process with V8's profiler, through the inspector without a port. */
import { Session } from 'node:inspector';

const INTERVAL_MICROS = 200;

/** @type {Session} */
let session;

export async function startProfile() {
  session = new Session();
  session.connect();
  await post('Profiler.enable');
  await post('Profiler.setSamplingInterval', { interval: INTERVAL_MICROS });
  await post('Profiler.start');
}

/** @returns {Promise<import('node:inspector').Profiler.Profile>} */
export async function stopProfile() {
  const { profile } = await post('Profiler.stop');
  session.disconnect();
  return profile;
}

function post(method, params) {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)));
  });
}
