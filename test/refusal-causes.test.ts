import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Post } from '@nestjs/common';
import { Authorize, McpAuthError, RequireScopes, type PolicyContext } from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from './support/expectations.js';
import { RECORDER, startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';

// What the operator and the client are told of the cause of a refusal: the member at fault, its type, and one remedy.

type Claims = Readonly<Record<string, unknown>>;

@Controller('things')
class ThingsController {
  @Get('admin')
  @RequireScopes('notes:read', 'admin')
  admin(): string {
    return 'done';
  }

  @Post('computed')
  @Authorize(({ request }: PolicyContext) => [(request as { body: { scope: string } }).body.scope])
  computed(@Body() body: object): object {
    return body;
  }

  @Get('late')
  late(): never {
    throw McpAuthError.insufficientScope('late:read');
  }

  @Get('many')
  @RequireScopes('s0', ...Array.from({ length: 20 }, (_, index) => `s${index + 1}`))
  many(): string {
    return 'done';
  }
}

describe.each(PLATFORMS)('the cause of a refusal, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, { controllers: [ThingsController] });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const line = (): string => {
    const lines = server.log.filter((one) => one.startsWith('Refused'));
    expect(lines).toHaveLength(1);
    return lines[0]!;
  };
  async function lineFor(claims: Claims, tool = 'ping', typ: string | undefined = 'JWT'): Promise<string> {
    await (await server.callTool(tool, await server.mint(claims, { header: { typ } }))).text();
    return line();
  }

  const REFUSED: readonly [what: string, claims: () => Claims, said: RegExp, notSaid?: RegExp][] = [
    [
      'that the only audience is the client',
      () => ({ azp: server.resource, client_id: undefined }),
      /its only audience is its own client.*Let the authorization server put http.* into aud/,
      /marked by/,
    ],
    [
      'that neither client nor scope is named',
      () => ({ client_id: undefined, email: 'a@example.com' }),
      /names neither client nor scope: client_id, azp, cid, appid, scope, scp\).*put client_id or scope into access tokens/,
      /marked by|a@example/,
    ],
    [
      'the mark that tells, and not typ Bearer beside it',
      () => ({ typ: 'Bearer', nonce: 'n', token_use: 'access' }),
      /marked by \["nonce"\]\).*leave these claims out/,
    ],
    [
      'several marks',
      () => ({ nonce: 'n', at_hash: 'h', typ: 'Bearer' }),
      /marked by \["nonce", "at_hash"\]\).*leave these claims out/,
    ],
    [
      'the kind that a claim names',
      () => ({ typ: 'Refresh' }),
      /marked by \["typ Refresh"\]\).*Let the client send the access token, not an ID token or a refresh token\.$/,
    ],
    ['a kind of the wrong type', () => ({ token_use: ['access'] }), /marked by \["token_use, a list"\]/],
    ['a subject that is a number', () => ({ sub: 987_654_321 }), /\(sub is a number\)/, /987/],
    ['a subject that is a list', () => ({ sub: ['alice'] }), /\(sub is a list\)/, /alice/],
    ['a client that is an object', () => ({ client_id: { id: 'c' } }), /\(client_id is an object\)/],
    ['a client that is true', () => ({ azp: true, client_id: undefined }), /\(azp is true or false\)/],
    ['an audience that is an object', () => ({ aud: { r: server.resource } }), /\(aud is an object\)/],
    [
      'a time that is text',
      () => ({ exp: '4099999999' }),
      /\(exp is text\).*seconds since 1970/,
      /4099999999|from now/,
    ],
    ['another time that is a list', () => ({ nbf: [1] }), /\(nbf is a list\)/],
    ['a time before 1970', () => ({ iat: -5 }), /\(iat is -5/],
    ['a time in milliseconds', () => ({ exp: server.clock.now + 300_000 }), /look like milliseconds/],
    [
      'a token that is not valid yet, by nbf alone',
      () => ({ nbf: Math.floor(server.clock.now / 1000) + 60 }),
      /\(nbf is (?:59|60|61) s from now\)/,
      /iat is/,
    ],
    [
      'a key by DPoP',
      () => ({ cnf: { jkt: 'x', 'kc-jkt-type': 'DPoP' } }),
      /\(bound by cnf\.jkt\).*set the option dpop to "accepted"/,
    ],
    ['a key by mutual TLS', () => ({ cnf: { 'x5t#S256': 'x' } }), /bound by cnf\.x5t#S256/],
    [
      'a key by DPoP, as Keycloak has it',
      () => ({ typ: 'DPoP', cnf: { jkt: 'x' } }),
      /is bound to a key.*bound by cnf\.jkt/,
      /no access token/,
    ],
    ['a key of a kind that is not known', () => ({ cnf: {} }), /bound by cnf\)/],
    [
      'which sign shows a user without a subject',
      () => ({ sub: undefined, sid: 's' }),
      /looked for \["sub"\], shown by "sid"\).*name the user in sub.*; or name the claim that does in the option claims\.subject/,
    ],
    [
      'Keycloak by its typ',
      () => ({ sub: undefined, typ: 'Bearer' }),
      /Keycloak: give the client the client scope basic; or, for lightweight access tokens, turn on "Add to lightweight access token"/,
    ],
  ];

  it.each(REFUSED)('is said in the line: %s', async (_what, claims, said, notSaid = /undefined|\[object/) => {
    const text = await lineFor(claims());
    expect(text).toMatch(said);
    expect(text).not.toMatch(notSaid);
  });

  it.each<[what: string, claims: Claims, said: RegExp, isWarning?: boolean]>([
    ['scopes that are there', { scope: 'b' }, /\(needs "a", scope is "b"\)/],
    [
      'no scopes at all',
      { scope: undefined },
      /\(needs "a", scope is absent, scp is absent\).*in the option claims|claims\.scopes/,
    ],
    ['an empty text', { scope: '' }, /\(needs "a", scope is ""\)/],
    ['a list in scp', { scp: ['b', 'c'] }, /scp is "b c"/],
    ['an object', { scope: { a: true } }, /scope is an object.*claims\.scopes/, true],
    ['a number', { scope: 7 }, /scope is a number/, true],
    [
      'a list of which a member holds a space',
      { scope: ['a b', 'c'] },
      /scope is "c", and a member that is not a scope name.*a member with a space in it grants nothing/,
      true,
    ],
    [
      'a list of which no member is a scope',
      { scp: ['a b', 7] },
      /scp is "", and 2 members that are not a scope name/,
      true,
    ],
  ])('is said of scopes: %s', async (_what, claims, said, isWarning = false) => {
    const warnings: unknown[] = [];
    server.app.useLogger({ ...RECORDER, warn: (message: unknown) => void warnings.push(message) });
    await (await server.callTool('read-note', await server.mint(claims))).text();
    server.app.useLogger(RECORDER);
    expect([...warnings, ...server.log].filter((one) => String(one).startsWith('Refused'))).toEqual([
      expect.stringMatching(said),
    ]);
    expect(warnings).toHaveLength(isWarning ? 1 : 0);
  });

  it('names two remedies with "or" between them, for a text that is not a token', async () => {
    await server.callTool('ping', 'garbage');
    expect(line()).toMatch(/set the option introspection; or let the authorization server issue JWTs/);
  });

  it('names the route as the place, and the resource as what it is guarded for', async () => {
    await fetch(`${server.origin}/things/admin`);
    expect(line()).toContain(
      `Refused 401 authorization_required for GET /things/admin (resource ${server.resource}): `,
    );
    resetRecorded(server);
    await server.callTool('ping');
    expect(line()).toContain(`for tools/call ping at ${server.resource}: `);
  });

  describe('a token that comes by DPoP', () => {
    it.each(['DPoP', 'dpop', 'DPOP', 'dPoP'])(
      'RFC6750-3.1-a: gets a challenge without an error, and a line of its own, for %s',
      async (scheme) => {
        const token = await server.mint();
        const response = await fetch(`${server.origin}/things/late`, {
          headers: { authorization: `${scheme} ${token}`, dpop: 'proof' },
        });
        await expectRefusal(server, response, { status: 401, token });
        expect(line()).toMatch(
          /the client sent a token that is bound to a key.*the option dpop is off\. Set the option dpop to "accepted"/,
        );
      },
    );

    it.each(['DPoP2 x', 'XDPoP x', 'Basic x', 'DPoP-x y'])(
      'does not count with another scheme: %s',
      async (authorization) => {
        await fetch(`${server.origin}/things/late`, { headers: { authorization } });
        expect(line()).toContain('uses a scheme other than Bearer');
      },
    );
  });

  describe('what the client is told of missing scopes', () => {
    const get = async (path: string, scope: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`${server.origin}/things/${path}`, {
        ...init,
        headers: { authorization: `Bearer ${await server.mint({ scope })}`, ...(init.headers as object) },
      });
    const LACKS = 'The access token lacks a scope that this operation needs';

    it('names those that it lacks, in challenge and body; the scope parameter has all that are needed', async () => {
      const { body, challenge } = await expectRefusal(server, await get('admin', 'notes:read'), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'notes:read admin',
      });
      expect(body['error_description']).toBe(`${LACKS}: admin.`);
      expect(challenge?.params['error_description']).toBe(`${LACKS}: admin.`);
    });

    it('names them in the JSON-RPC error of a tool call', async () => {
      const response = await server.callTool('write-note', await server.mint({ scope: 'a' }));
      const { body } = await expectRefusal(server, response, {
        status: 403,
        error: 'insufficient_scope',
        scope: 'a b',
      });
      expect(body['error']).toEqual({ code: 403, message: `${LACKS}: b.` });
    });

    it('names what a handler asks for', async () => {
      const response = await get('late', 'x');
      expect([response.status, await response.json()]).toMatchObject([
        403,
        { error_description: `${LACKS}: late:read.` },
      ]);
    });

    it('names what a policy takes from the request if it is a scope of a name that is not too long, and nothing else', async () => {
      const post = async (scope: string): Promise<unknown> => {
        const response = await get('computed', 'x', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ scope }),
        });
        return ((await response.json()) as Claims)['error_description'];
      };
      expect(await post('notes:share')).toBe(`${LACKS}: notes:share.`);
      expect(await post('y'.repeat(101))).toBe(`${LACKS}.`);
      for (const scope of ['a b', 'a"b', 'a\nb', '<b>é</b>'])
        expect(await post(scope)).toBe('The caller is not permitted to do this.');
    });

    it('names none of more than ten', async () => {
      const { body } = await expectRefusal(server, await get('many', 'x'), {
        status: 403,
        error: 'insufficient_scope',
        scope: Array.from({ length: 21 }, (_, index) => `s${index}`).join(' '),
      });
      expect(body['error_description']).toBe(`${LACKS}.`);
    });
  });
});
