import { afterEach, describe, expect, it } from '@jest/globals';
import {
  McpAuthConfigError,
  McpAuthModule,
  type AuthorizationServerOptions,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { readOptions } from '../../lib/options/read-options.js';
import { expectRefusal } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted } from '../support/tokens.js';

const ISSUER = 'https://login.example.com';
const KEYS = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` };
const introspection = { clientId: 'rs', auth: { method: 'client_secret_basic', clientSecret: 's' } } as const;
const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] };

/** What these options of an authorization server are refused for: option, and why. */
function problems(server: object, common: object = {}): string[] {
  const options = {
    resource: 'https://mcp.example.com/mcp',
    authorizationServers: [{ issuer: ISSUER, ...server }],
    ...common,
  };
  try {
    readOptions(options as McpAuthModuleOptions);
    return [];
  } catch (error) {
    if (!(error instanceof McpAuthConfigError)) throw error;
    return error.problems.map(({ option, why }) => `${option.replace('authorizationServers[0].', '')}: ${why}`);
  }
}

describe('options of authorization servers', () => {
  it.each<[string, object]>([
    ['metadata with keys', { metadata: KEYS }],
    ['metadata without keys, which are given', { metadata: { issuer: ISSUER }, jwks }],
    ['metadata without keys, whose URL is given', { metadata: { issuer: ISSUER }, jwksUri: `${ISSUER}/keys` }],
    [
      'metadata with an endpoint for introspection',
      { metadata: { issuer: ISSUER, introspection_endpoint: `${ISSUER}/i` }, introspection },
    ],
    ['a transformation', { transformMetadata: (document: unknown) => document }],
    ['a transformation for introspection', { transformMetadata: (document: unknown) => document, jwks, introspection }],
  ])('may be %s', (_what, server) => {
    expect(problems(server)).toEqual([]);
  });

  it.each<[string, object, RegExp[]]>([
    ['metadata that is text', { metadata: 'x' }, [/^metadata: must be an object/]],
    ['metadata that is null', { metadata: null }, [/^metadata: must be an object/]],
    ['metadata that is a list', { metadata: [KEYS] }, [/^metadata: must be an object/]],
    ['metadata that is a function', { metadata: () => KEYS }, [/^metadata: must be an object/]],
    [
      'metadata that JSON turns into something else',
      { metadata: { ...KEYS, toJSON: () => 'x' } },
      [/^metadata: must be an object/],
    ],
    ['metadata that JSON cannot say', { metadata: { ...KEYS, id: 5n } }, [/^metadata: JSON cannot say it/]],
    [
      'metadata of another issuer',
      { metadata: { ...KEYS, issuer: `${ISSUER}/` } },
      [/^metadata\.issuer: the issuer of this server is/],
    ],
    ['metadata of no issuer', { metadata: { jwks_uri: KEYS.jwks_uri } }, [/^metadata\.issuer: /]],
    [
      'metadata with inherited members',
      { metadata: Object.create(KEYS) as object },
      [/^metadata\.issuer: /, /^metadata\.jwks_uri: /],
    ],
    ['metadata without keys', { metadata: { issuer: ISSUER } }, [/^metadata\.jwks_uri: must be an absolute URL/]],
    [
      'metadata with plain keys',
      { metadata: { ...KEYS, jwks_uri: 'http://login.example.com/jwks' } },
      [/^metadata\.jwks_uri: plain http/],
    ],
    [
      'metadata without an endpoint that is needed',
      { metadata: KEYS, introspection },
      [/^metadata\.introspection_endpoint: /],
    ],
    [
      'metadata, and where to look for it',
      { metadata: KEYS, discovery: 'oidc' },
      [/^discovery: the metadata is given/],
    ],
    ['a transformation that is none', { transformMetadata: {} }, [/^transformMetadata: must be a function/]],
    [
      'a transformation of given metadata',
      { metadata: KEYS, transformMetadata: () => ({}) },
      [/^transformMetadata: no metadata is asked for/],
    ],
    [
      'a transformation where keys are given',
      { jwks, transformMetadata: () => ({}) },
      [/^transformMetadata: no metadata is asked for/],
    ],
  ])('are refused: %s', (_what, server, expected) => {
    expect(problems(server)).toEqual(expected.map((why) => expect.stringMatching(why)));
  });

  it.each([null, 'fetch', {}, true])('are refused: a fetch that is %j', (given) => {
    expect(problems({}, { fetch: given })).toEqual(['fetch: must be a function']);
  });

  it.each([null, 'yes', 1])('are refused: a check of servers that is %j', (given) => {
    expect(problems({}, { checkAuthorizationServers: given })).toEqual([
      'checkAuthorizationServers: must be true or false',
    ]);
  });

  it('keep the keys of the server out of the metadata of the resource, wherever they were named', () => {
    expect(problems({ metadata: KEYS }, { metadata: { jwksUri: KEYS.jwks_uri } })).toEqual([
      expect.stringContaining('metadata.jwksUri: these are keys'),
    ]);
  });

  it('are not shared with the caller once the module has them', () => {
    const metadata = { ...KEYS };
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: [{ issuer: ISSUER, metadata }],
    });
    expect(Object.isFrozen(metadata)).toBe(false);
  });
});

describe.each(PLATFORMS)('metadata of an authorization server, on %s', (platform) => {
  let server: NotesServer;
  const issuers: TestIssuer[] = [];
  afterEach(async () => {
    await server.close();
    for (const issuer of issuers.splice(0)) await issuer.close();
  });

  async function start(
    settingsOf: (issuer: TestIssuer) => Partial<AuthorizationServerOptions>,
    common: Partial<McpAuthModuleOptions> = {},
    issuerOptions: Parameters<typeof TestIssuer.start>[0] = {},
  ): Promise<TestIssuer> {
    const issuer = await TestIssuer.start({
      alg: 'ES256',
      now: () => server?.clock.now ?? Date.now(),
      ...issuerOptions,
    });
    issuers.push(issuer);
    const authorizationServers = [{ issuer: issuer.issuer, ...settingsOf(issuer) }];
    const options = { authorizationServers, ...common } as Partial<McpAuthModuleOptions>;
    server = await startNotesServer(platform, { sharedIssuer: issuer, options });
    return issuer;
  }

  it('is not asked for where it is given', async () => {
    const issuer = await start(({ issuer: name, jwksUri }) => ({ metadata: { issuer: name, jwks_uri: jwksUri } }));
    await expectAccepted(server, await server.mint());
    expect([issuer.requestCount('metadata'), issuer.requestCount('jwks')]).toEqual([0, 1]);
  });

  it('that is given has the endpoint for introspection too', async () => {
    const given = (issuer: TestIssuer): Partial<AuthorizationServerOptions> => ({
      ...introspecting(issuer),
      metadata: { issuer: issuer.issuer, introspection_endpoint: issuer.introspectionUri },
    });
    const issuer = await start(given, {}, { introspection: true });
    await expectAccepted(server, issuer.opaque({ aud: server.resource }));
    expect(issuer.requestCount('metadata')).toBe(0);
  });

  it('can be repaired before its issuer is compared', async () => {
    let seen: unknown;
    const repair =
      (name: string) =>
      (document: unknown): unknown => {
        seen = document;
        return { ...(document as object), issuer: name };
      };
    const issuer = await start(
      ({ issuer: name }) => ({ transformMetadata: repair(name) }),
      {},
      { metadata: { issuer: 'https://login.example.com/{tenantid}' } },
    );
    await expectAccepted(server, await server.mint());
    expect(seen).toMatchObject({ issuer: 'https://login.example.com/{tenantid}', jwks_uri: issuer.jwksUri });
  });

  it('can be repaired by a function that takes its time', async () => {
    await start(
      ({ issuer: name }) => ({ transformMetadata: async (document) => ({ ...(document as object), issuer: name }) }),
      {},
      { metadata: { issuer: 'x' } },
    );
    await expectAccepted(server, await server.mint());
  });

  it.each<[string, (document: unknown) => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no repair is known');
      },
      /transformMetadata failed .*: no repair is known/,
    ],
    [
      'throws text',
      () => {
        throw 'no';
      },
      /transformMetadata failed/,
    ],
    ['rejects', () => Promise.reject(new Error('later')), /transformMetadata failed .*: later/],
    ['returns nothing', () => undefined, /transformMetadata returned no object/],
    ['returns a list', (document) => [document], /transformMetadata returned no object/],
    [
      'returns another issuer',
      (document) => ({ ...(document as object), issuer: 'https://evil.example' }),
      /names another issuer \("https:\/\/evil\.example"\)/,
    ],
    [
      'returns a plain jwks_uri',
      (document) => ({ ...(document as object), jwks_uri: 'http://evil.example/' }),
      /is not https/,
    ],
  ])('is not used where the repair %s: 503, and a line in the log', async (_what, transformMetadata, line) => {
    const issuer = await start(() => ({ transformMetadata }));
    const token = await server.mint();
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expect(server.log.join('\n')).toMatch(line);
    expect(issuer.requestCount('jwks')).toBe(0);
  });

  it('is asked for by the fetch of the application, like keys and introspection', async () => {
    const urls: string[] = [];
    const record: typeof fetch = (url, init) => {
      urls.push(String(url));
      return fetch(url, init);
    };
    const issuer = await start(
      (one) => introspecting(one, { signed: true }),
      { fetch: record },
      { introspection: true },
    );
    await expectAccepted(server, issuer.opaque({ aud: server.resource }));
    expect(urls.toSorted()).toEqual([issuer.wellKnownUris.oauth, issuer.jwksUri, issuer.introspectionUri].toSorted());
  });

  it('is not taken from elsewhere, also where that fetch follows redirects', async () => {
    const follow: typeof fetch = (url, init) => fetch(url, { ...init, redirect: 'follow' });
    const issuer = await start(() => ({}), { fetch: follow });
    issuer.fail('redirect', 'jwks');
    const token = await server.mint();
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expect(server.log.join('\n')).toContain('a redirect was followed');
  });
});
