import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { OAuthClientInformationFullSchema } from '@modelcontextprotocol/core';
import * as fc from 'fast-check';
import { checkRegistration } from '../../lib/cli/doctor/registration.checks.js';
import type { AuthorizationServerFacts } from '../../lib/cli/doctor/authorization-server.facts.js';
import type { Answer } from '../../lib/cli/doctor/probe-result.js';
import { always } from '../fuzz/property.js';
import { examine } from '../support/doctor.js';
import { LoopbackServer } from '../support/loopback-server.js';

type Metadata = Readonly<Record<string, unknown>>;
type Register = (metadata: Metadata) => readonly [status: number, answer: unknown];

let server: LoopbackServer | undefined;
afterEach(() => server?.close());

/** An authorization server, and an MCP server that names it, whose challenge asks for `a` and whose metadata lists `a b`. */
async function serve(
  register: Register,
  more: { readonly openid?: Metadata; readonly scopes?: readonly string[] } = {},
) {
  const registered: Metadata[] = [];
  server = await LoopbackServer.start((request, response) => {
    void (async () => {
      const origin = `http://${request.headers.host}`;
      const body = await text(request);
      const answer = (status: number, value: unknown, fields: Record<string, string> = {}): void => {
        response
          .writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*', ...fields })
          .end(JSON.stringify(value));
      };
      const metadata = {
        issuer: origin,
        authorization_endpoint: `${origin}/a`,
        token_endpoint: `${origin}/t`,
        jwks_uri: `${origin}/j`,
        registration_endpoint: `${origin}/r`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        ...(more.scopes && { scopes_supported: more.scopes }),
      };
      switch (request.url) {
        case '/r': {
          registered.push(JSON.parse(body) as Metadata);
          return answer(...register(registered.at(-1) ?? {}));
        }
        case '/.well-known/oauth-authorization-server':
          return answer(200, metadata);
        case '/.well-known/openid-configuration':
          return answer(200, { ...metadata, ...more.openid });
        case '/.well-known/oauth-protected-resource/mcp':
          return answer(200, {
            resource: `${origin}/mcp`,
            authorization_servers: [origin],
            scopes_supported: ['a', 'b'],
          });
        case '/mcp': {
          const challenge = `Bearer scope="a", resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
          return answer(401, {}, { 'www-authenticate': challenge });
        }
        default:
          return answer(404, {});
      }
    })();
  });
  return { origin: server.origin, registered };
}

const created: Register = (metadata) => [201, { ...metadata, client_id: 'x' }];
const rows = async (url: string, flags: readonly string[] = []) =>
  (await examine(url, ['--probe-dcr', ...flags])).rows.filter(({ id }) => id === 'AS-07');

describe('AS-07: the doctor registers as the official clients do', () => {
  it('names the scopes of the first challenge, and that it is native for a redirect to this machine', async () => {
    const { origin, registered } = await serve(created);
    await examine(`${origin}/mcp`, ['--probe-dcr']);
    expect(registered).toEqual([
      expect.objectContaining({ scope: 'a', application_type: 'native', token_endpoint_auth_method: 'none' }),
    ]);
  });

  it.each([
    ['one that the authorization server has', ['x', 'y'], 'x'],
    ['openid among others', ['x', 'openid'], 'openid'],
    ['one that every OpenID provider has', undefined, 'openid'],
  ])('names %s, where it looks at the authorization server alone', async (_what, scopes, scope) => {
    const { origin, registered } = await serve(created, scopes ? { scopes } : {});
    await examine(origin, ['--probe-dcr', '--issuer']);
    expect(registered).toEqual([expect.objectContaining({ scope })]);
  });

  it('does not complain of a server that refuses some of its many scopes to such clients', async () => {
    const { origin } = await serve((metadata) => (metadata['scope'] === 'openid' ? created(metadata) : [403, {}]), {
      scopes: ['address', 'openid', 'roles'],
    });
    expect(await rows(origin, ['--issuer'])).not.toContainEqual(expect.objectContaining({ level: 'warning' }));
  });

  it('says that it registered one, which may be deleted', async () => {
    const { origin } = await serve((metadata) => [201, { ...metadata, scope: undefined, client_id: 'x' }]);
    expect(await rows(`${origin}/mcp`)).toContainEqual(
      expect.objectContaining({ level: 'ok', seen: expect.stringContaining('may be deleted') }),
    );
  });

  it('warns of a server that refuses whoever names scopes, and tries once without to know', async () => {
    const { origin, registered } = await serve((metadata) =>
      'scope' in metadata ? [400, { error: 'invalid_scope' }] : created(metadata),
    );
    const row = (await rows(`${origin}/mcp`)).find(({ level }) => level === 'warning');
    expect(row).toMatchObject({
      seen: expect.stringContaining('without scope it registers one'),
      consequence: expect.stringContaining('["a"]'),
    });
    expect(registered).toHaveLength(2);
  });

  it('shows what the server says of its refusal, bounded and on one line', async () => {
    const { origin } = await serve(() => [
      400,
      { error: 'invalid_redirect_uri', error_description: `web clients require https\n${'x'.repeat(5_000)}` },
    ]);
    const row = (await rows(origin, ['--issuer'])).find(({ level }) => level === 'warning');
    expect(row?.seen).toContain('error "invalid_redirect_uri", error_description "web clients require https');
    expect(row?.seen).not.toContain('\n');
    expect(row?.seen.length).toBeLessThan(400);
  });

  it('warns of a client that is bound to the scopes of its first sign-in', async () => {
    const { origin } = await serve(created);
    const row = (await rows(`${origin}/mcp`)).find(({ level }) => level === 'warning');
    expect(row).toMatchObject({
      seen: expect.stringContaining('["a"]'),
      consequence: expect.stringContaining('step-up to ["b"]'),
    });
  });

  it.each([
    [
      'empty and null members, as Ory Hydra has them',
      { client_uri: '', contacts: null },
      /contacts is null, client_uri is ""/,
    ],
    ['no client_id', { client_id: undefined }, /client_id is missing/],
  ])('warns of an answer on which the official clients give up: %s', async (_what, changes, expected) => {
    const { origin } = await serve((metadata) => [201, { ...metadata, client_id: 'x', ...changes }]);
    const found = await rows(`${origin}/mcp`);
    expect(found.filter(({ level }) => level === 'ok').filter(({ seen }) => seen.includes('may be deleted'))).toEqual(
      [],
    );
    expect(found).toContainEqual(expect.objectContaining({ level: 'warning', seen: expect.stringMatching(expected) }));
  });

  it.each([429, 502, 503])('does not judge registration by %s', async (status) => {
    const { origin } = await serve(() => [status, {}]);
    expect(await rows(origin, ['--issuer'])).toContainEqual(
      expect.objectContaining({ level: 'unseen', seen: expect.stringContaining(`status ${status}`) }),
    );
  });

  it('reads an answer exactly where the official client does', () => {
    const value = fc.oneof(
      fc.constantFrom(null, '', 'x', 'https://a.example', ['x'], [], [1], 1, true, {}),
      fc.string(),
    );
    const names = [
      'client_id',
      'client_secret',
      'client_id_issued_at',
      'client_secret_expires_at',
      'redirect_uris',
      'token_endpoint_auth_method',
      'grant_types',
      'response_types',
      'application_type',
      'client_name',
      'client_uri',
      'logo_uri',
      'scope',
      'contacts',
      'tos_uri',
      'policy_uri',
      'jwks_uri',
      'software_id',
      'software_version',
      'software_statement',
      'other',
    ];
    const good = { client_id: 'x', redirect_uris: ['http://127.0.0.1/callback'] };
    const isLegible = (document: Metadata): boolean => {
      const seen = {
        kind: 'answer',
        url: '',
        status: 201,
        headers: new Headers(),
        contentType: 'application/json',
        text: JSON.stringify(document),
        flaw: undefined,
        askedAt: 0,
        cameAt: 0,
      } satisfies Answer;
      const facts = {
        registration: { scopes: [], seen, withoutScopes: undefined },
        resource: undefined,
      } as Partial<AuthorizationServerFacts> as AuthorizationServerFacts;
      return checkRegistration(facts).every(({ level }) => level !== 'warning');
    };
    always(2_000, fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 2 }), (changes) => {
      // A text may be a URL by chance, and lists of redirects are compared for their form only.
      fc.pre(!('redirect_uris' in changes));
      const document = JSON.parse(JSON.stringify({ ...good, ...changes })) as Metadata;
      expect({ document, isLegible: isLegible(document) }).toEqual({
        document,
        isLegible: OAuthClientInformationFullSchema.safeParse(document).success,
      });
    });
  });
});

describe('AS-14: the documents at the different places', () => {
  it('may differ in the endpoint of registration, which some products intend', async () => {
    const { origin } = await serve(created, {
      openid: { registration_endpoint: 'http://127.0.0.1:1/connect/register' },
    });
    const { code, of } = await examine(origin, ['--issuer']);
    expect(of('note')).toContainEqual('AS-14: the documents at the different places differ in registration_endpoint');
    expect(of('error').filter((row) => row.startsWith('AS-14'))).toEqual([]);
    expect(code).toBe(1); // it publishes no keys
  });

  it.each(['issuer', 'token_endpoint', 'authorization_endpoint', 'jwks_uri'])('must not differ in %s', async (name) => {
    const { origin } = await serve(created, { openid: { [name]: 'http://127.0.0.1:1/other' } });
    const { of } = await examine(origin, ['--issuer']);
    expect(of('error')).toContainEqual(expect.stringMatching(new RegExp(`^AS-14: .*${name}`)));
  });
});
