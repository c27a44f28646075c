import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { AuthorizationServer, type AuthorizationServerSettings } from '../../lib/issuer/authorization-server.js';
import { REMOTE_KEY_SET_TIMES } from '../../lib/issuer/remote-key-set.js';

// Where metadata and keys of an authorization server come from, and when they are fetched, with a `fetch` in place of it.

const ISSUER = 'https://as.example';
const DOCUMENT = {
  issuer: ISSUER,
  jwks_uri: `${ISSUER}/jwks`,
  token_endpoint: `${ISSUER}/token`,
  mtls_endpoint_aliases: { token_endpoint: `${ISSUER}/tls/token` },
};

let key: TestKey;
beforeAll(async () => {
  key = await generateTestKey({ alg: 'ES256', kid: 'k' });
});

let clock: number;
/** The paths that were asked for, in order. */
let asked: string[];
let documents: Record<string, unknown>;
let failures: unknown[];
let fetched: unknown[];
beforeEach(() => {
  clock = 1_000_000;
  asked = [];
  failures = [];
  fetched = [];
  documents = { '/.well-known/oauth-authorization-server': DOCUMENT, '/jwks': { keys: [key.publicJwk] } };
});

function serverWith(changes: Partial<AuthorizationServerSettings> = {}, times?: object): AuthorizationServer {
  const answer = async (url: string): Promise<Response> => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    return pathname in documents ? Response.json(documents[pathname]) : new Response('', { status: 500 });
  };
  return new AuthorizationServer(
    {
      issuer: ISSUER,
      metadata: { kind: 'discovery', discovery: 'oauth', transform: undefined },
      keys: { kind: 'metadata' },
      allowInsecureHttp: false,
      ...changes,
    },
    {
      now: () => clock,
      outbound: { timeoutMs: 5_000, maxBytes: 100_000, fetch: answer as never },
      onKeysFailure: (error) => failures.push((error as Error).message),
      onKeysFetched: (jwks) => fetched.push(jwks),
      ...(times && { times: { ...REMOTE_KEY_SET_TIMES, ...times } }),
    },
  );
}

/** How many keys there are for the test key. */
const found = async ({ keys }: AuthorizationServer): Promise<number> =>
  (await keys.candidates({ alg: 'ES256', kid: 'k' })).length;

describe('the endpoints of an authorization server', () => {
  it('RFC8705-5: are those of the metadata, or the aliases where this server shows a certificate', async () => {
    const server = serverWith();
    expect(await server.endpoint('token_endpoint', 'token')).toBe(`${ISSUER}/token`);
    expect(await server.endpoint('token_endpoint', 'token', false)).toBe(`${ISSUER}/token`);
    expect(await server.endpoint('token_endpoint', 'token', true)).toBe(`${ISSUER}/tls/token`);
    expect(await server.endpoint('jwks_uri', 'token', true)).toBe(`${ISSUER}/jwks`);
    expect(asked).toEqual(['/.well-known/oauth-authorization-server']);
  });

  it.each([undefined, null, 'x', [], {}])('RFC8705-5: are those of the metadata with aliases %j', async (aliases) => {
    const document = { ...DOCUMENT, mtls_endpoint_aliases: aliases };
    const server = serverWith({ metadata: { kind: 'static', document } });
    expect(await server.endpoint('token_endpoint', 'token', true)).toBe(`${ISSUER}/token`);
  });

  it('OA21-1.5-a: may be plain http on this machine in metadata of the options, and elsewhere if that is allowed', async () => {
    const local = 'http://127.0.0.1:8080/token';
    const document = { ...DOCUMENT, token_endpoint: local };
    documents['/.well-known/oauth-authorization-server'] = document;
    const configured = serverWith({ metadata: { kind: 'static', document } });
    expect(await configured.endpoint('token_endpoint', 'token')).toBe(local);
    expect(await configured.metadata('token')).toBe(document);
    expect(asked).toEqual([]);
    await expect(serverWith().endpoint('token_endpoint', 'token')).rejects.toMatchObject({
      name: 'MetadataUnavailableError',
      message: expect.stringContaining('is not https'),
      cause: { name: 'MetadataError' },
    });
    expect(await serverWith({ allowInsecureHttp: true }).endpoint('token_endpoint', 'token')).toBe(local);
  });

  it('are unknown while the metadata cannot be fetched, which is tried for a token after a failure at the start', async () => {
    const server = serverWith();
    documents = {};
    await expect(server.endpoint('token_endpoint', 'start')).rejects.toMatchObject({
      name: 'MetadataUnavailableError',
      cause: { name: 'OutboundError', status: 500 },
    });
    await expect(server.endpoint('token_endpoint', 'start')).rejects.toThrow('status 500');
    expect(asked).toHaveLength(1);
    await expect(server.endpoint('token_endpoint', 'token')).rejects.toThrow('status 500');
    expect(asked).toHaveLength(2);
  });

  it('are found again when the metadata is forgotten, and as the application repairs it', async () => {
    let place = 'one';
    const transform = (document: unknown): unknown => ({
      ...(document as object),
      token_endpoint: `${ISSUER}/${place}`,
    });
    const server = serverWith({ metadata: { kind: 'discovery', discovery: 'oidc', transform } });
    documents['/.well-known/openid-configuration'] = DOCUMENT;
    expect(await server.endpoint('token_endpoint', 'token')).toBe(`${ISSUER}/one`);
    place = 'two';
    server.forgetMetadata();
    expect(await server.endpoint('token_endpoint', 'token')).toBe(`${ISSUER}/two`);
    expect(asked).toEqual(['/.well-known/openid-configuration', '/.well-known/openid-configuration']);
  });
});

describe('the keys of an authorization server', () => {
  it('are those of the options, without a request', async () => {
    expect(await found(serverWith({ keys: { kind: 'static', jwks: { keys: [key.publicJwk] as never } } }))).toBe(1);
    expect(asked).toEqual([]);
  });

  it('are at the URL of the options, without metadata', async () => {
    documents['/own'] = documents['/jwks'];
    const server = serverWith({ keys: { kind: 'jwks', uri: `${ISSUER}/own` } });
    expect(asked).toEqual([]);
    expect(await found(server)).toBe(1);
    expect([asked, fetched, failures]).toEqual([['/own'], [{ keys: [key.publicJwk] }], []]);
  });

  it('are where the metadata says, and are looked for elsewhere once they cannot be fetched', async () => {
    const server = serverWith({}, { freshMs: 1_000 });
    expect(await found(server)).toBe(1);
    expect(asked).toEqual(['/.well-known/oauth-authorization-server', '/jwks']);
    clock += REMOTE_KEY_SET_TIMES.staleMs;
    delete documents['/jwks'];
    await expect(found(server)).rejects.toThrow(`GET ${ISSUER}/jwks: status 500`);
    expect(failures).toEqual([`GET ${ISSUER}/jwks: status 500`]);
    documents['/.well-known/oauth-authorization-server'] = { ...DOCUMENT, jwks_uri: `${ISSUER}/moved` };
    documents['/moved'] = { keys: [key.publicJwk] };
    clock += 2_000;
    expect(await found(server)).toBe(1);
    expect(asked.slice(3)).toEqual(['/.well-known/oauth-authorization-server', '/moved']);
  });

  it('are looked for again for a token after the metadata could not be fetched at the start', async () => {
    const metadata = documents['/.well-known/oauth-authorization-server'];
    delete documents['/.well-known/oauth-authorization-server'];
    const server = serverWith();
    await server.keys.warmUp();
    expect(failures).toEqual([expect.stringContaining('status 500')]);
    documents['/.well-known/oauth-authorization-server'] = metadata;
    expect(await found(server)).toBe(1);
  });

  it('are kept for as long as they are told', async () => {
    const server = serverWith({}, { staleMs: 5_000, freshMs: 5_000 });
    expect(await found(server)).toBe(1);
    clock += 5_000;
    expect(await found(server)).toBe(1);
    expect(fetched).toHaveLength(2);
  });

  it.each([{}, { keys: {} }, { keys: 'x' }])('RFC7517-5: are not there in %j', async (document) => {
    documents['/jwks'] = document;
    await expect(found(serverWith())).rejects.toMatchObject({
      name: 'MetadataError',
      message: `GET ${ISSUER}/jwks: the body is not a JSON Web Key Set (RFC 7517 §5)`,
    });
  });
});
