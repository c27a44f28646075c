import { afterEach, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  McpAuthError,
  RequireAuthentication,
  RequireScopes,
  type ChallengeScopesContext,
  type McpAuthModuleOptions,
  type ScopeOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { expectProblems, withScopes } from '../options/started-app.js';
import { expectNoTrace, expectRefusal } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

// The option `scopes.challenge`: which scopes a challenge names.

@McpController()
class LateTools {
  @Tool({ name: 'late', description: 'Finds out late what it needs' })
  @RequireScopes('a')
  late(): never {
    throw McpAuthError.insufficientScope('a', 'late');
  }

  @Tool({ name: 'recent', description: 'Needs a recent sign-in' })
  @RequireScopes('a')
  @RequireAuthentication({ maxAgeSeconds: 60 })
  recent(): object {
    return { content: [] };
  }
}

describe.each(PLATFORMS)('the scopes of challenges, on %s', (platform) => {
  let server: NotesServer;
  afterEach(() => server.close());

  async function start(scopes: ScopeOptions, options: Partial<McpAuthModuleOptions> = {}): Promise<void> {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [LateTools],
      options: { ...options, scopes } as Partial<McpAuthModuleOptions>,
    });
  }

  const unauthorized = async (tool: string, scope: string | undefined): Promise<void> => {
    await expectRefusal(server, await server.callTool(tool), { status: 401, ...(scope !== undefined && { scope }) });
  };
  const forbidden = async (granted: string, scope: string): Promise<void> => {
    const token = await server.mint({ scope: granted });
    const expected = { status: 403, error: 'insufficient_scope', scope, token } as const;
    await expectRefusal(server, await server.callTool('write-note', token), expected);
  };
  const scopeIn = (challenge: string | null | undefined): string | undefined =>
    parseChallenges(challenge ?? '')[0]?.params['scope'];

  it.each([{}, { challenge: 'minimum' } as const])('MCP-26-RS-07: are the needed ones with %j', async (scopes) => {
    await start(scopes);
    await unauthorized('write-note', 'a b');
    await forbidden('a other', 'a b');
  });

  it('are with granted-too also those of the token, which a step-up would lose otherwise', async () => {
    await start({ challenge: 'granted-too' });
    await unauthorized('write-note', 'a b');
    await forbidden('other a offline_access', 'a b other');
    const expired = await server.mint({ scope: 'other', exp: Math.floor(server.clock.now / 1000) - 600 });
    const refused = await server.callTool('write-note', expired);
    await expectRefusal(server, refused, { status: 401, error: 'invalid_token', scope: 'a b' });
  });

  it('are with granted-too kept where the user must sign in again', async () => {
    await start({ challenge: 'granted-too' });
    const response = await server.callTool('recent', await server.mint({ scope: 'a other' }));
    expect(response.status).toBe(401);
    expect(scopeIn(response.headers.get('www-authenticate'))).toBe('a other');
  });

  it('are with granted-too no more than fits into a head', async () => {
    await start({ challenge: 'granted-too' });
    await forbidden(Array.from({ length: 150 }, (_, index) => `s${index}`).join(' '), 'a b');
    expect(server.log.join('\n')).toMatch(/scopes\.challenge .* was not followed.*at most 100 scopes/);
  });

  it('are with all those that the resource advertises, too', async () => {
    await start({ challenge: 'all', required: ['base'], supported: ['base', 'a', 'admin'] });
    await unauthorized('ping', 'base a admin');
    await unauthorized('write-note', 'base a b admin');
    await forbidden('base', 'base a b admin');
  });

  it('are with all those of decorators if the options name none', async () => {
    await start({ challenge: 'all' });
    await unauthorized('ping', 'a admin b');
    const metadata = new URL('/.well-known/oauth-protected-resource/mcp', server.origin);
    expect(await (await fetch(metadata)).json()).toMatchObject({ scopes_supported: ['a', 'admin', 'b'] });
  });

  it.each(['http', 'tool-result'] as const)('are the same in a refusal by a handler, as %s', async (challenge) => {
    await start({ challenge: 'granted-too' }, { challenge });
    const response = await server.callTool('late', await server.mint({ scope: 'a other' }));
    if (challenge === 'http') expect(scopeIn(response.headers.get('www-authenticate'))).toBe('a late other');
    const { result } = (await response.json()) as { result: { _meta: Record<string, string[]> } };
    expect(scopeIn(result._meta['mcp/www_authenticate']?.[0])).toBe('a late other');
  });

  it('are the same in a tool result before dispatch, at 401 and 403', async () => {
    await start({ challenge: 'all', supported: ['a', 'c'] }, { challenge: 'tool-result' });
    for (const token of [undefined, await server.mint({ scope: 'x' })]) {
      const response = await server.callTool('write-note', token);
      const { result } = (await response.json()) as { result: { _meta: Record<string, string[]> } };
      expect(scopeIn(result._meta['mcp/www_authenticate']?.[0])).toBe('a b c');
    }
  });

  it('do not change what is required, what is said, or what lists say', async () => {
    await start({ challenge: 'all', supported: ['a', 'b', 'c'] });
    const token = await server.mint({ scope: 'a' });
    const response = await server.callTool('write-note', token);
    const expected = { status: 403, error: 'insufficient_scope', scope: 'a b c' } as const;
    const { challenge } = await expectRefusal(server, response, expected);
    expect(challenge?.params['error_description']).toMatch(/needs: b\.$/);
    expect((await server.callTool('write-note', await server.mint({ scope: 'a b' }))).status).toBe(200);
    const list = await server.rpc('tools/list', {}, { authorization: `Bearer ${token}` });
    expect(await list.text()).toContain('"securitySchemes":[{"type":"oauth2","scopes":["a","b"]}]');
  });

  it('are those that a function returns, which learns what there is', async () => {
    const contexts: ChallengeScopesContext[] = [];
    const challenge = (context: ChallengeScopesContext): string[] => {
      contexts.push(context);
      expect([context, context.needed, context.granted, context.supported].every(Object.isFrozen)).toBe(true);
      return context.status === 401 ? [] : ['x', ...context.needed, 'x'];
    };
    await start({ challenge, supported: ['s'] }, { id: 'notes' } as Partial<McpAuthModuleOptions>);
    await unauthorized('write-note', undefined);
    await forbidden('a', 'x a b');
    expect(contexts).toMatchObject([
      { resource: 'notes', status: 401, needed: ['a', 'b'], granted: [], supported: ['s'], auth: undefined },
      { resource: 'notes', status: 403, needed: ['a', 'b'], granted: ['a'], supported: ['s'], auth: { scopes: ['a'] } },
    ]);
  });

  it.each([
    ['as many as fit', Array.from({ length: 100 }, (_, index) => `s${index}`)],
    ['as many characters as fit', ['x'.repeat(2_000), 'y'.repeat(1_999)]],
  ])('are those that a function returns: %s, each once', async (_what, scopes) => {
    await start({ challenge: () => [...scopes, ...scopes] });
    await forbidden('a', scopes.join(' '));
    expect(server.log.join('\n')).not.toContain('was not followed');
  });

  it('are not asked for where there is no challenge', async () => {
    let calls = 0;
    await start({ challenge: () => [`s${++calls}`] });
    await expectRefusal(server, await server.callTool('forbidden', await server.mint()), { status: 403 });
    expect(calls).toBe(0);
  });

  it.each([
    ['text', () => 'a b c', /must return a list of scopes/],
    ['a promise', async () => ['a'], /must return a list of scopes/],
    ['nothing', () => undefined, /must return a list of scopes/],
    ['an invalid scope', () => ['a "b"'], /must return a list of scopes/],
    ['offline_access', () => ['a', 'offline_access'], /must return a list of scopes/],
    ['no scope for a step-up', () => [], /at least one scope/],
    ['too many scopes', () => Array.from({ length: 101 }, (_, index) => `s${index}`), /at most 100 scopes/],
    ['scopes that are too long', () => ['x'.repeat(4_001)], /4000 characters/],
    ['scopes that are too long with a space', () => ['x'.repeat(2_000), 'y'.repeat(2_000)], /4000 characters/],
    ['a list with a scope and something else', () => ['a', 7], /visible ASCII without spaces/],
    [
      'an error',
      ({ auth }: ChallengeScopesContext) => {
        throw new Error(`no scopes for ${auth?.token}`);
      },
      /no scopes for eyJ…/,
    ],
  ])('are the needed ones, with a line in the log, if the function returns %s', async (_what, challenge, line) => {
    await start({ challenge: challenge as unknown as NonNullable<ScopeOptions['challenge']> });
    const token = await server.mint({ scope: 'a' });
    const expected = { status: 403, error: 'insufficient_scope', scope: 'a b', token } as const;
    await expectRefusal(server, await server.callTool('write-note', token), expected);
    const log = server.log.join('\n');
    expect(log).toMatch(/scopes\.challenge of the resource http\S+ was not followed/);
    expect(log).toMatch(line);
    expectNoTrace(token, { log });
  });
});

it.each(['everything', true, ['a'], null])('stops the start with scopes.challenge: %j', async (challenge) => {
  const seen = challenge === 'everything' ? '"everything"' : challenge === null ? 'null' : JSON.stringify(challenge);
  await expectProblems('a strategy', withScopes({ challenge }), ['scopes.challenge', seen, /is not a known value/]);
});
