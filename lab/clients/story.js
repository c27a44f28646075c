/**
 * What a client did, read from the exchanges that the servers saw. A client reports nothing about itself: it cannot claim
 * what it did not do.
 */

/** @typedef {import('./server/exchanges.js').Exchange} Exchange */

export const NOT_SEEN = 'not seen';

const isToken = (grant) => (exchange) =>
  exchange.path === '/token' && exchange.parameters.grant_type === grant && exchange.status === 200;
const isAuthorize = ({ path }) => path === '/authorize';
const isCall = (tool) => (exchange) => exchange.rpc === `tools/call ${tool}`;

/** The answer to a request without a token, and the two documents after it. */
export function discovery(exchanges) {
  const refused = exchanges.findIndex(({ rpc, status, hasToken }) => rpc && status === 401 && !hasToken);
  const after = exchanges.slice(refused + 1);
  const metadata = after.find(({ path, status }) => path.includes('/oauth-protected-resource') && status === 200);
  const server = after.find(
    ({ path, status }) => /\/(oauth-authorization-server|openid-configuration)/.test(path) && status === 200,
  );
  if (refused === -1 || !metadata || !server) return NOT_SEEN;
  return `401, ${metadata.path}, ${server.path}`;
}

/** How the client made itself known. */
export function registration(exchanges) {
  const registered = exchanges.find(({ path, method }) => path === '/register' && method === 'POST');
  if (registered) return `dynamic registration, ${registered.status}`;
  const id = exchanges.find(isAuthorize)?.parameters.client_id;
  return id?.startsWith('https://') ? 'client ID metadata document' : NOT_SEEN;
}

/** The parameters of the first sign-in that protect it. */
export function signIn(exchanges) {
  const asked = exchanges.find(isAuthorize)?.parameters;
  const got = exchanges.find(isToken('authorization_code'))?.parameters;
  if (!asked || !got) return NOT_SEEN;
  const seen = [
    asked.code_challenge_method === 'S256' && got.code_verifier === 'present' ? 'PKCE S256' : 'no PKCE',
    asked.resource && got.resource ? 'resource in both requests' : 'resource missing',
    asked.state === 'present' ? 'state' : 'no state',
  ];
  return seen.join(', ');
}

/** The first call with a token, and the version of the protocol. */
export function call(exchanges) {
  const served = exchanges.find((exchange) => isCall('whoami')(exchange) && exchange.hasToken);
  return served ? `${served.status} at ${served.version ?? 'no version'}` : NOT_SEEN;
}

/** The refused call, what the client did then, and how the call went. */
export function stepUp(exchanges) {
  const refused = exchanges.findIndex((exchange) => isCall('add-note')(exchange) && exchange.status === 403);
  if (refused === -1) return NOT_SEEN;
  const after = exchanges.slice(refused + 1);
  const asked = after.find(isAuthorize);
  const served = after.some((exchange) => isCall('add-note')(exchange) && exchange.status === 200);
  const hasAsked = asked?.parameters.scope?.split(' ').includes('notes:write');
  return `403, ${hasAsked ? 'the user is asked for notes:write' : 'the user is not asked'}, ${served ? 200 : 'no success'}`;
}

/** What followed after the token had expired: everything after the last attempt to write. */
export function refresh(exchanges) {
  const after = exchanges.slice(exchanges.findLastIndex(isCall('add-note')) + 1);
  const { status } = after.findLast(isCall('whoami')) ?? {};
  if (status !== 200) return `${status ?? NOT_SEEN} after the token expired`;
  if (after.some(isAuthorize)) return '200, the user was asked again';
  return after.some(isToken('refresh_token')) ? '200 with a refresh token' : '200 without a refresh';
}
