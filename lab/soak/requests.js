/** Sends requests to a server, and compares the answers with what they must be. */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const agent = new Agent({ keepAlive: true, maxSockets: 128 });

/** An answer that is not what it must be. The message has no token in it. */
export class WrongAnswer extends Error {}

/** The server has closed an idle connection, as it may, while a request was on its way to it. */
class ClosedConnection extends Error {}

/**
 * Sends a request, and once more on a new connection if its own was closing: another one that is idle may be closing, too.
 *
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: unknown, signal?: AbortSignal }} message
 * @returns {Promise<{ status: number, headers: import('node:http').IncomingHttpHeaders, text: string, endedAt: number }>}
 */
export async function send(url, message) {
  try {
    return await sendOnce(url, message);
  } catch (error) {
    if (error instanceof ClosedConnection) return sendOnce(url, message, false);
    throw error;
  }
}

function sendOnce(url, { method = 'POST', headers = {}, body, signal }, connections = agent) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const outgoing = request(
      url,
      { method, agent: connections, signal, headers: { ...(text === undefined ? ACCEPTED : TYPES), ...headers } },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (piece) => (received += piece));
        response.on('error', reject);
        response.on('close', () =>
          resolve({ status: response.statusCode, headers: response.headers, text: received, endedAt: Date.now() }),
        );
      },
    );
    outgoing.on('error', (error) => {
      const isClosed = outgoing.reusedSocket && error.code === 'ECONNRESET';
      reject(isClosed ? new ClosedConnection(error.message, { cause: error }) : error);
    });
    outgoing.end(text);
  });
}

const ACCEPTED = { accept: 'application/json, text/event-stream' };
/** Fastify refuses a request that names the type of a body and has none. */
const TYPES = { ...ACCEPTED, 'content-type': 'application/json' };

/** Sends bytes as they are, and resolves with the status of the answer; undefined if the connection was closed without one. */
export function sendBytes(url, text, { destroyAfterMs } = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let received = '';
    socket.setEncoding('latin1');
    const end = () => {
      socket.destroy();
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(received) ?? [];
      resolve(status === undefined ? undefined : Number(status));
    };
    socket.on('data', (piece) => {
      received += piece;
      if (destroyAfterMs === undefined && received.includes('\r\n\r\n')) end();
    });
    socket.on('error', end);
    socket.on('close', end);
    if (destroyAfterMs !== undefined) setTimeout(end, destroyAfterMs);
  });
}

/** Fails unless the answer has one of these statuses. */
export function mustBe(what, answer, ...statuses) {
  if (statuses.includes(answer.status)) return;
  throw new WrongAnswer(`${what}: ${answer.status} instead of ${statuses.join(' or ')}: ${answer.text.slice(0, 200)}`);
}

/** Fails unless a refusal has the header fields that clients act on. */
export function mustChallenge(what, { headers, status }, error) {
  const challenge = headers['www-authenticate'] ?? '';
  if (status === 503) {
    if (/^\d+$/.test(headers['retry-after'] ?? '')) return;
    throw new WrongAnswer(`${what}: 503 without Retry-After`);
  }
  if (!challenge.includes('resource_metadata="'))
    throw new WrongAnswer(`${what}: no resource_metadata in the challenge`);
  if (error !== undefined && !challenge.includes(`error="${error}"`))
    throw new WrongAnswer(`${what}: the challenge has no error="${error}"`);
  if (error === undefined && challenge.includes('error='))
    throw new WrongAnswer(`${what}: an error in the challenge to a request without a token`);
}

/** The result of a call, from JSON or from an event stream; undefined if there is none. */
export function resultIn({ text }) {
  const json = /^data: (\{.*"result".*\})$/m.exec(text)?.[1] ?? text;
  try {
    return JSON.parse(json).result;
  } catch {
    return undefined;
  }
}
