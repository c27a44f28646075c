import { expect } from '@jest/globals';
import { generateTestKey, symmetricTestKey } from 'nestjs-mcp-auth/testing';
import { type NotesServer } from './notes-server.js';
import { allowKeySearch } from './tokens.js';

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** The body of a `tools/call`. */
export const callOf = (name: string, args: object = {}, id: unknown = 1): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) });
}

/** Requests without usable credentials. */
export const NO_CREDENTIALS: [what: string, headers: Record<string, string>][] = [
  ['no Authorization header', {}],
  ['an empty Authorization header', { authorization: '' }],
  ['Basic credentials', { authorization: 'Basic eDp5' }],
  ['the scheme Negotiate', { authorization: 'Negotiate YII=' }],
  ['the scheme DPoP', { authorization: 'DPoP abcdefgh' }],
];

export const minutes = (server: NotesServer, count: number): number => Math.floor(server.clock.now / 1000) + count * 60;

/** Bad tokens, each with another defect. */
export const BAD_TOKENS: [what: string, make: (server: NotesServer) => string | Promise<string>][] = [
  ['garbage', () => 'garbage'],
  ['three parts of garbage', () => 'aaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbb.cccccccccccccccccccc'],
  ['an encrypted token', () => 'aaaaaaaaaaaaaaaaaaaa.b.cccccccccccccccccccc.dddddddddddddddddddd.e'],
  ['an expired token', (server) => server.mint({ exp: minutes(server, -1) })],
  ['a token not valid yet', (server) => server.mint({ nbf: minutes(server, 2) })],
  ['a token from the future', (server) => server.mint({ nbf: minutes(server, 2) })],
  ['a token without expiry', (server) => server.mint({ exp: undefined })],
  ['a token that expires never', (server) => server.mint({ exp: 1e15 })],
  ['a token with an expiry that is not a number', (server) => server.mint({ exp: '2100-01-01' })],
  ['a token for another audience', (server) => server.mint({ aud: 'https://elsewhere.example' })],
  ['a token for nobody', (server) => server.mint({ aud: undefined })],
  ['a token of another issuer', (server) => server.mint({ iss: 'https://elsewhere.example' })],
  ['a token of no issuer', (server) => server.mint({ iss: undefined })],
  ['an unsigned token', (server) => server.mint({}, { header: { alg: 'none' }, signature: 'none' })],
  ['a token with a wrong signature', (server) => server.mint({}, { signature: 'A'.repeat(86) })],
  [
    'a token with an unknown kid',
    async (server) => {
      allowKeySearch(server);
      return server.mint({}, { key: await generateTestKey({ alg: 'ES256' }) });
    },
  ],
  [
    'a token forged with the kid of the issuer',
    async (server) => server.mint({}, { key: await generateTestKey({ alg: 'ES256', kid: server.issuer.key.kid }) }),
  ],
  [
    'a token signed with the public key as a shared secret',
    (server) => server.mint({}, { key: symmetricTestKey(JSON.stringify(server.issuer.key.publicJwk)) }),
  ],
  ['a token with a critical extension', (server) => server.mint({}, { header: { crit: ['x'], x: 1 } })],
  ['a token bound to a key', (server) => server.mint({ cnf: { jkt: 'x'.repeat(43) } })],
  ['an ID token', (server) => server.mint({ nonce: 'n', aud: 'test-client' }, { header: { typ: 'JWT' } })],
  ['a logout token', (server) => server.mint({ events: {} }, { header: { typ: 'logout+jwt' } })],
  ['a token of nobody', (server) => server.mint({ sub: undefined, client_id: undefined })],
  ['a token with a subject that is not a string', (server) => server.mint({ sub: { name: 'alice' } })],
];

/** Asserts that each parameter of the header contains only the characters that RFC 6750 §3 allows. */
export function expectAllowedCharacters(response: Response): void {
  const header = response.headers.get('www-authenticate');
  if (header === null) return;
  const parameters = [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value] as const);
  const written = parameters.map(([name, value]) => `${name}="${value}"`).join(', ');
  expect(header).toBe(`Bearer ${written}`);
  for (const [name, value] of parameters) {
    const allowed = name === 'scope' ? /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/ : /^[ !#-[\]-~]+$/;
    expect(value).toMatch(allowed);
  }
}
