/** What clients and attackers do, and what the answer to each must be. */
import { randomUUID } from 'node:crypto';
import { mustBe, mustChallenge, resultIn, send, sendBytes, WrongAnswer } from './requests.js';
import { INITIALIZE, Unavailable } from './people.js';
import { LOGOUT } from './weather.js';

let id = 1;

function call(tool) {
  return { jsonrpc: '2.0', id: (id += 1), method: 'tools/call', params: { name: tool, arguments: {} } };
}

function expectCaller(what, answer, { subject }, proof = null) {
  const said = resultIn(answer)?.content?.[0]?.text;
  const seen = said === undefined ? undefined : JSON.parse(said);
  if (seen?.subject === subject && seen.laterSubject === subject && seen.proof === proof) return;
  throw new WrongAnswer(`${what}: "${subject}" called, and the tool saw ${said ?? answer.text.slice(0, 200)}`);
}

/** Calls a tool with a token that must be accepted. */
async function knownToken({ target, person }) {
  const answer = await send(target.endpoint, { headers: await person.headers(target), body: call('whoami') });
  mustBe('a known token', answer, 200);
  expectCaller('a known token', answer, person);
}

async function newToken({ target, person, weather }) {
  const key = weather.keys.findLast((one) => target.acceptedKeys.has(one));
  const token = await weather.mint({ sub: person.subject, aud: target.endpoint, jti: randomUUID() }, { key });
  const headers = { authorization: `Bearer ${token}`, ...(await person.session(target)) };
  const answer = await send(target.endpoint, { headers, body: call('whoami') });
  mustBe('a new token', answer, 200);
  expectCaller('a new token', answer, person);
}

async function opaqueToken({ target, opaquePerson: person, weather }) {
  const since = performance.now();
  const answer = await send(target.endpoint, { headers: await person.headers(target), body: call('whoami') });
  const isUnsettled = weather.isUnsettled('introspection', since);
  mustBe('an opaque token', answer, 200, ...(isUnsettled ? [503] : []));
  if (answer.status === 200) expectCaller('an opaque token', answer, person);
  else mustChallenge('an opaque token', answer);
}

async function revokedToken({ target, weather, person }) {
  const since = performance.now();
  const token = weather.opaque.opaque({ sub: person.subject, aud: target.endpoint });
  weather.opaque.revoke(token);
  const answer = await send(target.endpoint, { headers: { authorization: `Bearer ${token}` }, body: call('whoami') });
  mustBe('a revoked token', answer, 401, ...(weather.isUnsettled('introspection', since) ? [503] : []));
  mustChallenge('a revoked token', answer, 'invalid_token');
}

/** Forged keys use up how often a server asks for keys: until then, it cannot judge a key that is new. */
const NEW_KEY_MS = 90_000;

async function newKey({ target, weather, person }) {
  const since = performance.now();
  const key = weather.keys.at(-1);
  const token = await weather.mint({ sub: person.subject, aud: target.endpoint }, { key });
  const headers = { authorization: `Bearer ${token}`, ...(await person.session(target)) };
  const answer = await send(target.endpoint, { headers, body: call('whoami') });
  const mayWait = weather.isUnsettled('jwks', since) || weather.ageOf(key) < NEW_KEY_MS;
  const isKnown = target.acceptedKeys.has(key);
  mustBe('a token of the newest key', answer, 200, ...(!isKnown && mayWait ? [503] : []));
  if (answer.status === 200) target.acceptedKeys.add(key);
  else mustChallenge('a token of the newest key', answer);
}

/** Waits until a server accepts the first key: nothing can be said about tokens before. */
export async function acceptFirstKey({ target, weather }) {
  const key = weather.keys.at(-1);
  const token = await weather.mint({ aud: target.endpoint }, { key });
  const answer = await send(target.endpoint, { headers: { authorization: `Bearer ${token}` }, body: INITIALIZE });
  mustBe('the first token', answer, 200);
  target.acceptedKeys.add(key);
}

async function forgedKey({ target, weather }) {
  const token = await weather.mint({ aud: target.endpoint }, { header: { kid: randomUUID() } });
  const answer = await send(target.endpoint, { headers: { authorization: `Bearer ${token}` }, body: call('whoami') });
  mustBe('a token of an unknown key', answer, 401, 503);
  mustChallenge('a token of an unknown key', answer, answer.status === 401 ? 'invalid_token' : undefined);
}

async function noToken({ target }) {
  const answer = await send(target.endpoint, { body: call('whoami') });
  mustBe('no token', answer, 401);
  mustChallenge('no token', answer);
}

const BAD_TOKENS = [
  { what: 'expired', claims: { exp: 1_000_000_000 } },
  { what: 'for another resource', claims: { aud: 'https://other.example/mcp' } },
  { what: 'from the future', claims: { nbf: 4_000_000_000 } },
  { what: 'of nobody', claims: { sub: undefined, client_id: undefined } },
  { what: 'without an end', claims: { exp: undefined } },
  { what: 'with an end as text', claims: { exp: '1' } },
  { what: 'bound to another key', claims: { cnf: { jkt: 'somebody' } } },
  { what: 'with another signature', claims: {}, isForged: true },
];

async function badToken({ target, weather, variant: { what, claims, isForged } }) {
  const key = weather.keys.findLast((one) => target.acceptedKeys.has(one));
  const token = await weather.mint({ aud: target.endpoint, ...claims }, { key });
  const bad = isForged ? `${token.slice(0, -12)}AAAAAAAAAAAA` : token;
  const answer = await send(target.endpoint, { headers: { authorization: `Bearer ${bad}` }, body: call('whoami') });
  mustBe(`a token ${what}`, answer, 401);
  mustChallenge(`a token ${what}`, answer, 'invalid_token');
}

async function missingScope({ target, person }) {
  const answer = await send(target.endpoint, { headers: await person.headers(target), body: call('write') });
  mustBe('a missing scope', answer, 403);
  mustChallenge('a missing scope', answer, 'insufficient_scope');
  const enough = await send(target.endpoint, {
    headers: await person.headers(target, 'notes:write'),
    body: call('write'),
  });
  mustBe('the scope after a step-up', enough, 200);
}

async function boundToken({ target, person, weather }) {
  const key = weather.keys.findLast((one) => target.acceptedKeys.has(one));
  const claims = { sub: person.subject, aud: target.endpoint, cnf: person.dpopKey.confirmation };
  const token = await weather.mint(claims, { key });
  const session = await person.session(target);
  const proof = person.dpopKey.headers({ method: 'POST', url: target.endpoint, token });
  const both = await Promise.all(
    [1, 2].map(() => send(target.endpoint, { headers: { ...proof, ...session }, body: call('whoami') })),
  );
  const statuses = both.map(({ status }) => status).toSorted();
  if (statuses.join() !== '200,401') throw new WrongAnswer(`one proof twice: ${statuses.join(' and ')}`);
  expectCaller(
    'a bound token',
    both.find(({ status }) => status === 200),
    person,
    'dpop',
  );
  const bare = await send(target.endpoint, { headers: { authorization: `Bearer ${token}` }, body: call('whoami') });
  mustBe('a bound token without its proof', bare, 401);
}

async function foreignSession({ target, person, stranger }) {
  const { authorization } = await stranger.headers(target);
  const session = await person.session(target);
  const answer = await send(target.endpoint, { headers: { ...session, authorization }, body: call('whoami') });
  mustBe('the session of another', answer, person.subject === stranger.subject ? 200 : 404);
}

/** Opens a stream with a token that is valid for a few seconds. The server must end it then. */
async function shortStream({ target, person, weather }) {
  const key = weather.keys.findLast((one) => target.acceptedKeys.has(one));
  const exp = Math.floor(Date.now() / 1_000) + 4;
  const token = await weather.mint({ sub: person.subject, aud: target.endpoint, exp }, { key });
  const headers = { authorization: `Bearer ${token}`, ...(await person.session(target)) };
  const answer = await send(target.endpoint, { method: 'GET', headers, signal: AbortSignal.timeout(30_000) });
  // A client has one stream a session: another one that is open already refuses it.
  mustBe('a stream', answer, 200, 409);
  const late = answer.endedAt - exp * 1_000;
  if (answer.status === 200 && late > 5_000) throw new WrongAnswer(`a stream ended ${late} ms after its token`);
}

/** A session of the authorization server ends: its tokens are refused from then on. */
async function logout({ target, person, weather }) {
  const { token, end } = await loggedIn({ target, person, weather });
  const headers = { authorization: `Bearer ${token}`, ...(await person.session(target)) };
  mustBe('before the logout', await send(target.endpoint, { headers, body: call('whoami') }), 200);
  await end();
  const answer = await send(target.endpoint, { headers, body: call('whoami') });
  mustBe('after the logout', answer, 401);
  mustChallenge('after the logout', answer, 'invalid_token');
}

/** A stream ends with the session of the authorization server to which its token belongs. */
async function streamUntilLogout({ target, person, weather }) {
  const { token, end } = await loggedIn({ target, person, weather });
  const session = await openSession({ target, token });
  const headers = { authorization: `Bearer ${token}`, ...session };
  const stream = send(target.endpoint, { method: 'GET', headers, signal: AbortSignal.timeout(30_000) });
  // Long enough for the stream to be open; if it is not, it must be refused.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await end();
  const endedAt = Date.now();
  const answer = await stream;
  mustBe('a stream until a logout', answer, 200, 401);
  if (answer.endedAt - endedAt > 5_000) throw new WrongAnswer('a stream went on for five seconds after the logout');
}

/** A token of a session at the authorization server, and how that ends. The logout names no user, who has other tokens. */
async function loggedIn({ target, person, weather }) {
  const key = weather.keys.findLast((one) => target.acceptedKeys.has(one));
  const sid = randomUUID();
  const token = await weather.mint({ sub: person.subject, aud: target.endpoint, sid }, { key });
  const end = async () => {
    const logoutToken = await weather.mintLogout({ sid }, { key });
    const body = new URLSearchParams({ logout_token: logoutToken }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    mustBe('a logout token', await send(`${target.endpoint}${LOGOUT.path}`, { headers, body }), 200);
  };
  return { token, end };
}

async function openSession({ target, token }) {
  const answer = await send(target.endpoint, { headers: { authorization: `Bearer ${token}` }, body: INITIALIZE });
  mustBe('opening a session', answer, 200);
  return { 'mcp-session-id': answer.headers['mcp-session-id'], 'mcp-protocol-version': '2025-11-25' };
}

/** The client ends its session: nobody has such a session any more. */
async function endedSession({ target, person }) {
  const token = await person.token(target);
  const headers = { authorization: `Bearer ${token}`, ...(await openSession({ target, token })) };
  mustBe('a session', await send(target.endpoint, { headers, body: call('whoami') }), 200);
  mustBe('the end of a session', await send(target.endpoint, { method: 'DELETE', headers }), 200, 204);
  mustBe('a session that has ended', await send(target.endpoint, { headers, body: call('whoami') }), 404);
}

async function reset({ target, person, random }) {
  const { authorization } = await person.headers(target);
  const body = JSON.stringify(call('whoami'));
  const head = `POST /mcp HTTP/1.1\r\nHost: ${new URL(target.url).host}\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n`;
  const whole = head + body;
  const sent = whole.slice(0, Math.ceil(whole.length * random()));
  await sendBytes(target.url, sent, { destroyAfterMs: Math.floor(random() * 20) });
}

const MALFORMED = [
  { what: 'two tokens', lines: (token) => [token, token], statuses: [400] },
  { what: 'text after the token', lines: (token) => [`${token} x`], statuses: [401] },
  {
    what: 'a token of 9,000 characters',
    lines: () => [`Authorization: Bearer ${'a'.repeat(9_000)}`],
    statuses: [401],
    // It might be an opaque token.
    isIntrospected: true,
  },
  { what: 'a head of 40,000 characters', lines: () => [`X: ${'a'.repeat(40_000)}`], statuses: [431] },
  { what: 'a foreign page', lines: (token) => [token, 'Origin: https://evil.example'], statuses: [403] },
  { what: 'a foreign host', host: 'evil.example', lines: (token) => [token], statuses: [403] },
  { what: 'JSON that ends early', lines: (token) => [token], body: '{"jsonrpc":"2.0",', statuses: [400] },
  {
    what: 'a batch',
    lines: (token) => [token, 'MCP-Protocol-Version: 2025-11-25'],
    body: '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    statuses: [400],
  },
];

async function malformed({ target, person, weather, variant }) {
  const since = performance.now();
  const {
    what,
    host = new URL(target.url).host,
    lines,
    body = JSON.stringify(call('whoami')),
    statuses,
    isIntrospected = false,
  } = variant;
  const { authorization } = await person.headers(target);
  const fields = [`Host: ${host}`, ...lines(`Authorization: ${authorization}`), `Content-Length: ${body.length}`];
  const type = 'Content-Type: application/json\r\nAccept: application/json, text/event-stream';
  const status = await sendBytes(target.url, `POST /mcp HTTP/1.1\r\n${fields.join('\r\n')}\r\n${type}\r\n\r\n${body}`);
  if (isIntrospected && status === 503 && weather.isUnsettled('introspection', since)) return;
  if (!statuses.includes(status)) throw new WrongAnswer(`${what}: ${status} instead of ${statuses.join(' or ')}`);
}

/** Each with its share of the load. `sessions`: only at a server that has sessions. `variants`: what it can send, by `what`. */
export const SCENARIOS = [
  { name: 'a known token', share: 40, run: knownToken },
  { name: 'a new token', share: 10, run: newToken },
  { name: 'an opaque token', share: 10, run: opaqueToken },
  { name: 'a bound token, and its proof twice', share: 8, run: boundToken },
  { name: 'a bad token', share: 8, run: badToken, variants: BAD_TOKENS },
  { name: 'a missing scope, and a step-up', share: 6, run: missingScope },
  { name: 'no token', share: 4, run: noToken },
  { name: 'malformed', share: 4, run: malformed, variants: MALFORMED },
  { name: 'a connection that breaks', share: 3, run: reset },
  { name: 'a token of the newest key', share: 3, run: newKey },
  { name: 'a token of an unknown key', share: 2, run: forgedKey },
  { name: 'a revoked token', share: 2, run: revokedToken },
  { name: 'a logout', share: 2, run: logout },
  { name: 'the session of another', share: 3, run: foreignSession, sessions: true },
  { name: 'a stream until its token expires', share: 0.2, run: shortStream, sessions: true },
  { name: 'a stream until a logout', share: 0.2, run: streamUntilLogout, sessions: true },
  { name: 'a session that has ended', share: 1, run: endedSession, sessions: true },
];

/** Whether an error says nothing about the server: it could not be tried. */
export function isInconclusive(error) {
  return error instanceof Unavailable;
}
