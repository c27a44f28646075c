import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Post, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AuthInfo, Authorize, McpAuthConfigError, RequireScopes, type McpFramework } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { ACME_PROMPT, AcmePrompt, AcmeResource, acmeServer, AcmeTool } from '../support/acme-mcp.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

// #region framework
export const acme: McpFramework = {
  name: 'acme-mcp',
  decorators: {
    // @AcmeTool('add') and @AcmeResource('notes://all') set this metadata on the method.
    'acme:operation': (metadata) => {
      const { is, id } = metadata as { is: 'tool' | 'resource' | 'template'; id: string };
      return { kind: is === 'template' ? 'resource-template' : is, name: id };
    },
    // The name of a prompt is that of its method.
    [ACME_PROMPT]: (_metadata, methodName) => ({ kind: 'prompt', name: methodName }),
  },
  // It calls method(input, { caller, http }).
  callOf: ([input, context]) => {
    const { caller, http } = (context ?? {}) as { caller?: unknown; http?: unknown };
    return { args: input, authInfo: caller, request: http };
  },
};
// #endregion

const ran: string[] = [];

@Injectable()
class Notes {
  @AcmeTool('plain')
  plain(): object {
    ran.push('plain');
    return {};
  }

  // #region tool
  @AcmeTool('add')
  @RequireScopes('notes:write')
  add(input: { text: string }, @AuthInfo('subject') subject: string): object {
    ran.push('add');
    return { text: input.text, by: subject };
  }
  // #endregion

  @AcmeTool('decided')
  @Authorize(({ args, operation }) => [`${operation?.kind}:${operation?.name}:${(args as { scope: string }).scope}`])
  decided(_input: object): object {
    ran.push('decided');
    return {};
  }

  @AcmeResource('notes://all')
  @RequireScopes('notes:read')
  all(): object {
    ran.push('all');
    return {};
  }

  @AcmeResource('notes://by/{owner}')
  @Authorize(({ args }) => (args as { owner?: string } | undefined)?.owner === 'alice')
  byOwner(_variables: object): object {
    ran.push('byOwner');
    return {};
  }

  @AcmePrompt()
  @RequireScopes('notes:ask')
  summary(): object {
    ran.push('summary');
    return {};
  }
}

@Injectable()
class Plain {
  @AcmeTool('plain')
  plain(): object {
    ran.push('plain');
    return {};
  }
}

const CALLS = {
  plain: { method: 'tools/call', params: { name: 'plain', handler: 'plain' } },
  add: { method: 'tools/call', params: { name: 'add', arguments: {}, handler: 'add', input: { text: 'milk' } } },
  decided: {
    method: 'tools/call',
    params: { name: 'decided', arguments: { scope: 'x' }, handler: 'decided', input: { scope: 'x' } },
  },
  all: { method: 'resources/read', params: { uri: 'notes://all', handler: 'all' } },
  ofAlice: {
    method: 'resources/read',
    params: { uri: 'notes://by/alice', handler: 'byOwner', input: { owner: 'alice' } },
  },
  ofBob: { method: 'resources/read', params: { uri: 'notes://by/bob', handler: 'byOwner', input: { owner: 'bob' } } },
  summary: { method: 'prompts/get', params: { name: 'summary', handler: 'summary' } },
} as const;
const NEEDED = [
  ['add', 'notes:write'],
  ['decided', 'tool:decided:x'],
  ['all', 'notes:read'],
  ['summary', 'notes:ask'],
] as const;

function start(platform: Platform, server: Type, options: object, sharedIssuer?: TestIssuer): Promise<NotesServer> {
  return startNotesServer(platform, {
    ...(sharedIssuer ? { sharedIssuer } : { issuer: { alg: 'ES256' as const } }),
    imports: [DiscoveryModule as Type],
    controllers: [server],
    providers: [Notes],
    path: '/mcp',
    options,
  });
}

async function send(
  { origin }: NotesServer,
  { method, params }: { method: string; params: object },
  token?: string,
  path = 'acme',
): Promise<Response> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'content-type': 'application/json', ...bearer(token) };
  return fetch(`${origin}/${path}`, { method: 'POST', headers, body });
}

const HANDED_ON = ['caller', 'request'] as const;
const CASES = PLATFORMS.flatMap((platform) =>
  HANDED_ON.flatMap((handsOn) => [false, true].map((throughNest) => ({ platform, handsOn, throughNest }))),
);

describe.each(CASES)(
  'a framework that the option describes, which hands on the $handsOn and calls through Nest: $throughNest, on $platform',
  ({ platform, handsOn, throughNest }) => {
    let server: NotesServer;
    beforeAll(async () => {
      server = await start(platform, acmeServer(handsOn, throughNest) as Type, { frameworks: [acme] });
    });
    afterAll(() => server.close());
    beforeEach(() => {
      resetRecorded(server);
      ran.length = 0;
    });

    it.each(NEEDED)('LIB-20: answers 403 for %s before dispatch, naming its scopes', async (name, scope) => {
      await expectRefusal(server, await send(server, CALLS[name], await server.mint({ scope: '' })), {
        status: 403,
        error: 'insufficient_scope',
        scope,
      });
      expect(ran).toEqual([]);
    });

    it('asks for a token with a challenge', async () => {
      await expectRefusal(server, await send(server, CALLS.add), { status: 401, scope: 'notes:write' });
      expect(ran).toEqual([]);
    });

    it.each(['add', 'decided', 'all', 'ofAlice', 'summary'] as const)(
      'LIB-20: refuses %s where it is reached around the guard, with a token and without',
      async (name) => {
        for (const token of [undefined, await server.mint({ scope: 'notes:write notes:read notes:ask' })])
          expect(await (await send(server, CALLS[name], token, 'around')).text()).toMatch(
            /Authorization is required|the handler was called without a verified caller/,
          );
        expect(ran).toEqual([]);
      },
    );

    it('LIB-20: refuses a call whose body names another operation', async () => {
      const disguised = { method: 'tools/call', params: { ...CALLS.add.params, name: 'plain' } };
      await send(server, disguised, await server.mint({ scope: '' }));
      expect(ran).toEqual([]);
    });

    it.each(NEEDED)('runs %s for a caller who has what it needs', async (name, scope) => {
      expect((await send(server, CALLS[name], await server.mint({ scope }))).status).toBe(200);
      expect(ran).toEqual([name]);
    });

    it('decides about a template with its variables', async () => {
      const token = await server.mint({ scope: '' });
      await send(server, CALLS.ofBob, token);
      expect(ran).toEqual([]);
      await send(server, CALLS.ofAlice, token);
      expect(ran).toEqual(['byOwner']);
    });

    it('injects the caller, each their own', async () => {
      const subjects = ['alice', 'bob', 'carol'];
      const answers = await Promise.all(
        subjects.map(async (sub) => {
          const response = await send(server, CALLS.add, await server.mint({ sub, scope: 'notes:write' }));
          return response.json();
        }),
      );
      expect(answers).toMatchObject(subjects.map((by) => ({ result: { text: 'milk', by } })));
    });

    it('runs what declares nothing with any token', async () => {
      expect((await send(server, CALLS.plain, await server.mint({ scope: '' }))).status).toBe(200);
      expect(ran).toEqual(['plain']);
    });
  },
);

describe.each(PLATFORMS)('a framework that hands on nothing, on %s', (platform) => {
  const disguised = { method: 'tools/call', params: { ...CALLS.add.params, name: 'plain' } };

  it('has the caller of the request that it handles', async () => {
    const server = await start(platform, acmeServer('nothing', false) as Type, { frameworks: [acme] });
    ran.length = 0;
    await send(server, CALLS.add, await server.mint({ scope: 'notes:write' }));
    expect(ran).toEqual(['add']);
    await send(server, disguised, await server.mint({ scope: '' }));
    await send(server, CALLS.add, undefined, 'around');
    expect(ran).toEqual(['add']);
    await server.close();
  });

  it('is given no caller by an object that only looks like one', async () => {
    const root = { subject: 'root', scopes: ['notes:write'], claims: {} };
    const forged: McpFramework = { ...acme, callOf: ([args]) => ({ args, authInfo: root, request: { auth: root } }) };
    const server = await start(platform, acmeServer('caller', false) as Type, { frameworks: [forged] });
    ran.length = 0;
    await send(server, disguised, await server.mint({ scope: '' }));
    await send(server, CALLS.add, undefined, 'around');
    expect(ran).toEqual([]);
    expect(server.log.join('\n')).toContain('the handler was called without a verified caller');
    await server.close();
  });

  it.each([[() => undefined], [() => 'x'], [() => Promise.resolve({})]])(
    'shows policies no arguments where it returns something else than a call: %p',
    async (callOf) => {
      const blind = { ...acme, callOf } as unknown as McpFramework;
      const server = await start(platform, acmeServer('caller', false) as Type, { frameworks: [blind] });
      ran.length = 0;
      await send(server, CALLS.ofAlice, await server.mint({ scope: '' }));
      expect(ran).toEqual([]);
      await server.close();
    },
  );
});

describe.each(PLATFORMS)('annotations of tools that a framework describes, on %s', (platform) => {
  it.each([
    [{ readOnlyHint: true }, 'look'],
    [{ destructiveHint: false }, 'add'],
    [undefined, 'destroy'],
  ])('count for scopes.annotations: %j needs %s', async (annotations, scope) => {
    const annotated: McpFramework = {
      ...acme,
      decorators: {
        'acme:operation': (metadata) => {
          const { is, id } = metadata as { is: string; id: string };
          return is === 'tool' ? { kind: 'tool', name: id, annotations } : undefined;
        },
      },
    };
    const scopes = { annotations: { readOnlyHint: ['look'], additive: ['add'], destructiveHint: ['destroy'] } };
    const options = { frameworks: [annotated], scopes };
    const server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      imports: [DiscoveryModule as Type],
      controllers: [acmeServer('caller', false) as Type],
      providers: [Plain],
      options,
    });
    ran.length = 0;
    await expectRefusal(server, await send(server, CALLS.plain, await server.mint({ scope: 'x' })), {
      status: 403,
      error: 'insufficient_scope',
      scope,
    });
    expect(ran).toEqual([]);
    await send(server, CALLS.plain, await server.mint({ scope }));
    expect(ran).toEqual(['plain']);
    await server.close();
  });
});

describe('the option frameworks', () => {
  async function refusal(options: object): Promise<string> {
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    const starting = start('express', acmeServer('caller', false) as Type, options, sharedIssuer);
    const error = await starting.then(
      (server) => server.close(),
      (thrown: unknown) => thrown,
    );
    await sharedIssuer.close();
    return error instanceof McpAuthConfigError ? error.message : `no McpAuthConfigError: ${String(error)}`;
  }

  it('is named where a decorated method has an unknown framework', async () => {
    class Unknown {
      @Reflect.metadata('unknown:tool', {})
      @RequireScopes('a')
      act(): void {}
    }
    @Controller()
    class Routes {
      @Post('x')
      x(): void {}
    }
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256' });
    const starting = startNotesServer('express', { sharedIssuer, controllers: [Routes], providers: [Unknown] });
    await expect(starting).rejects.toThrow(/Unknown\.act: .*describe it in the option frameworks/);
    await sharedIssuer.close();
  });

  it.each([
    [{}, 'frameworks: saw an object; must be a list of frameworks'],
    [['acme'], 'frameworks[0]: saw "acme"; must be an object'],
    [[{ ...acme, name: '' }], 'frameworks[0].name: saw ""; must be a non-empty string'],
    [
      [{ ...acme, decorators: {} }],
      'frameworks[0].decorators: saw an object; must be an object with the metadata keys',
    ],
    [[{ ...acme, decorators: { k: 'tool' } }], 'frameworks[0].decorators["k"]: saw "tool"; must be a function'],
    [[{ name: 'x', decorators: acme.decorators }], 'frameworks[0].callOf: saw nothing; must be a function'],
    [[{ ...acme, caller: 1 }], 'frameworks[0].caller: saw a value; there is no such option here'],
  ])('must be complete: %j', async (frameworks, message) => {
    expect(await refusal({ frameworks })).toContain(message);
  });

  it.each([
    [() => 'tool', 'saw "tool" for plain'],
    [() => ({ kind: 'widget', name: 'x' }), 'saw kind "widget" and name "x" for plain'],
    [() => ({ kind: 'tool', name: '' }), 'saw kind "tool" and name "" for plain'],
    [() => ({ kind: 'tool', name: 'x'.repeat(3_000) }), 'and name "xxx'],
    [
      () => {
        throw new Error('no id');
      },
      'saw an error for plain: "no id"',
    ],
  ])('must describe operations: %p', async (operationOf, message) => {
    const wrong = { ...acme, decorators: { 'acme:operation': operationOf } } as McpFramework;
    const text = await refusal({ frameworks: [wrong] });
    expect(text).toContain('frameworks[0].decorators["acme:operation"]');
    expect(text).toContain(message);
    expect(text).toContain('it must return the operation that a method serves');
  });
});
