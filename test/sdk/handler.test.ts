import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, UseGuards, type INestApplication } from '@nestjs/common';
import {
  AuthInfo,
  Authorize,
  McpAuthGuard,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { Args, McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { expectRefusal, resetRecorded, messagesOf, metadataUrlOf } from '../support/expectations.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import {
  SDKS,
  startSdkServer,
  type Era,
  type RpcAnswer,
  type RpcSettings,
  type SdkServer,
  type Serve,
} from './sdk-server.js';

const ran: string[] = [];
let asked = 0;

@Injectable()
class Notes {
  @McpTool()
  undecorated(): string {
    ran.push('undecorated');
    return 'ran';
  }

  @McpTool()
  @RequireScopes('a')
  scoped(): string {
    ran.push('scoped');
    return 'ran';
  }

  @McpTool({ inputSchema: z.object({ id: z.coerce.number() }) })
  @Authorize(({ args }) => (asked++, (args as { id: number }).id === 7))
  decided(@Args('id') id: number): object {
    ran.push('decided');
    return { id };
  }

  @McpResource({ uri: 'notes://all' })
  all(): object {
    ran.push('all');
    return { contents: [] };
  }

  @McpResource({ uriTemplate: 'notes://by-id/{id}' })
  @RequireScopes('a')
  byId(): object {
    ran.push('byId');
    return { contents: [] };
  }

  @McpPrompt()
  @RequireScopes('a')
  summary(): object {
    ran.push('summary');
    return { messages: [] };
  }
}

const TOOLS: readonly [name: string, scope: string | undefined][] = [
  ['undecorated', undefined],
  ['scoped', 'a'],
];

const OTHERS: readonly [method: string, params: object][] = [
  ['resources/read', { uri: 'notes://all' }],
  ['resources/read', { uri: 'notes://by-id/7' }],
  ['prompts/get', { name: 'summary' }],
];

const HOSTS = PLATFORMS.flatMap((platform) => [
  ...SDKS.map((sdk) => ({ platform, sdk, era: '2025-11-25' as Era })),
  { platform, sdk: 'v2' as const, era: '2026-07-28' as Era },
]);

/** What the transport is told of its caller, by somebody who may have checked nothing. */
const FORGED = { token: 'forged', clientId: 'forged', scopes: ['a'], subject: 'root' };

/** Mounts the transport where none of Nest's guards and interceptors see the request. */
function mountOutside(platform: Platform, app: INestApplication, serve: Serve): void {
  if (platform === 'express') {
    app.use('/outside', (request: IncomingMessage, response: ServerResponse) => {
      void serve(Object.assign(request, { auth: FORGED }), response, undefined);
    });
    return;
  }
  const fastify = app.getHttpAdapter().getInstance() as {
    post(
      path: string,
      handler: (
        request: { raw: IncomingMessage; body: unknown },
        reply: { raw: ServerResponse; hijack(): void },
      ) => void,
    ): void;
  };
  fastify.post('/outside', (request, reply) => {
    reply.hijack();
    void serve(Object.assign(request.raw, { auth: FORGED }), reply.raw, request.body);
  });
}

describe.each(HOSTS)(
  'a transport of SDK $sdk, with messages of $era, mounted outside of Nest on $platform',
  ({ platform, sdk, era }) => {
    let server: SdkServer;
    const outside = (token: string | undefined): RpcSettings => ({ path: 'outside', token, era });
    beforeAll(async () => {
      const prepare = (app: INestApplication, serve: Serve): void => mountOutside(platform, app, serve);
      server = await startSdkServer(
        { sdk, platform, prepare, providers: [Notes], options: { allowUnguardedMounts: true } },
        ran,
      );
    });
    afterAll(() => server.close());
    beforeEach(() => resetRecorded(server));

    it.each(TOOLS)('refuses the tool %s to everybody, with a challenge in the result', async (name, scope) => {
      for (const token of [undefined, await server.mint({ scope: 'a' })]) {
        const { result } = await server.ask('tools/call', { name }, outside(token));
        expect(result).toMatchObject({
          isError: true,
          content: [{ type: 'text', text: 'Authorization is required.' }],
        });
        expectChallenge(server, result, scope);
      }
      expect(server.ran).toEqual([]);
    });

    it.each(OTHERS)('refuses %s %j to everybody, with a JSON-RPC error', async (method, params) => {
      for (const token of [undefined, await server.mint({ scope: 'a' })]) {
        const { result, error } = await server.ask(method, params, outside(token));
        expect(result).toBeUndefined();
        expect(error).toEqual({ code: 401, message: 'Authorization is required.' });
      }
      expect(server.ran).toEqual([]);
    });
  },
);

describe.each(SDKS)('a transport of SDK %s in a Nest route that nobody guards', (sdk) => {
  let servers: readonly SdkServer[];
  beforeAll(async () => {
    servers = [await startSdkServer({ sdk, providers: [Notes], decorateEndpoint: Public() }, ran)];
  });
  afterAll(async () => {
    for (const server of servers) await server.close();
  });
  beforeEach(() => resetRecorded(servers[0] as SdkServer));

  it.each(TOOLS)('refuses the tool %s to everybody', async (name, scope) => {
    for (const server of servers) {
      const { result } = await server.ask('tools/call', { name }, { token: await server.mint({ scope: 'a' }) });
      expect(result?.isError).toBe(true);
      expectChallenge(server, result, scope);
    }
    expect(ran).toEqual([]);
  });
});

describe.each(SDKS)('a handler on SDK %s, behind the guard', (sdk) => {
  let server: SdkServer;
  let guarded: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer({ sdk, providers: [Notes] }, ran);
    guarded = await startSdkServer(
      { sdk, providers: [Notes], globalGuard: false, decorateEndpoint: UseGuards(McpAuthGuard) },
      ran,
    );
  });
  afterAll(async () => {
    await server.close();
    await guarded.close();
  });
  beforeEach(() => {
    resetRecorded(server);
    asked = 0;
  });

  it('is served where the guard is bound to the controller only', async () => {
    await guarded.ask('tools/call', { name: 'scoped' }, { token: await guarded.mint({ scope: 'a' }) });
    expect(ran).toEqual(['scoped']);
  });

  it('has its policy asked before dispatch with the arguments as sent, and once more with those the schema made', async () => {
    const refused = await server.rpc(
      'tools/call',
      { name: 'decided', arguments: { id: '7' } },
      { token: await server.mint() },
    );
    expect(refused.status).toBe(403);
    expect(asked).toBe(1);

    const { result } = await server.ask(
      'tools/call',
      { name: 'decided', arguments: { id: 7 } },
      { token: await server.mint() },
    );
    expect(result?.isError).toBeFalsy();
    expect(asked).toBe(3);
    expect(ran).toEqual(['decided']);
  });

  it('refuses what its policy says no to only once the schema has changed the arguments', async () => {
    const policied = await startSdkServer({ sdk, providers: [Lenient] }, ran);
    try {
      const response = await policied.rpc(
        'tools/call',
        { name: 'trimmed', arguments: { id: ' root ' } },
        { token: await policied.mint() },
      );
      // Version 2 has begun to answer with a stream.
      expect(response.status).toBe(sdk === 'v1' ? 403 : 200);
      const { result } = messagesOf(await response.text())[0] as RpcAnswer;
      expect(result).toMatchObject({ isError: true, content: [{ text: 'The caller is not permitted to do this.' }] });
      expect(result?._meta?.['mcp/www_authenticate']).toBeUndefined();
      expect(ran).toEqual([]);
    } finally {
      await policied.close();
    }
  });

  it('meets its requirement however its URI is spelt', async () => {
    const token = await server.mint({ scope: 'other' });
    for (const uri of ['notes://by-id/7', 'NOTES://by-id/7', 'notes://by-id/7?x=1', 'notes://by-id/%37']) {
      const response = await server.rpc('resources/read', { uri }, { token });
      const text = await response.text();
      if (response.status === 200) expect(messagesOf(text)[0]).toHaveProperty('error');
      else expect(response.status).toBe(403);
    }
    expect(ran).toEqual([]);
  });
});

describe.each(SDKS)('an application on SDK %s that lets anonymous callers in', (sdk) => {
  let server: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer({ sdk, providers: [Notes, Open], options: { allowAnonymous: true } }, ran);
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it('runs a public tool for them, and for others with their name', async () => {
    const text = async (token?: string): Promise<unknown> =>
      (await server.ask('tools/call', { name: 'open' }, { token })).result?.content?.[0]?.text;
    await expect(text()).resolves.toBe('nobody');
    await expect(text(await server.mint({ sub: 'bob' }))).resolves.toBe('bob');
  });

  it.each(TOOLS)('does not run the tool %s for them', async (name, scope) => {
    const response = await server.rpc('tools/call', { name });
    await expectRefusal(server, response, { status: 401, ...(scope !== undefined && { scope }) });
  });
});

describe.each(SDKS)('a transport of SDK %s that is run where the context of the request is lost', (sdk) => {
  const elsewhere = new AsyncResource('elsewhere');
  const detached =
    (change: (auth: McpAuthInfo) => unknown) =>
    (serve: Serve): Serve =>
    async (request, response, body) => {
      const { auth } = request as IncomingMessage & { auth: McpAuthInfo };
      Object.assign(request, { auth: change(auth) });
      await elsewhere.runInAsyncScope(() => serve(request, response, body));
    };
  const scoped = async (server: SdkServer): Promise<RpcAnswer['result']> => {
    const { result } = await server.ask('tools/call', { name: 'caller' }, { token: await server.mint({ scope: 'a' }) });
    return result;
  };
  beforeEach(() => {
    ran.length = 0;
  });

  it('knows the caller by the very object that the guard put on the request', async () => {
    const server = await startSdkServer({ sdk, providers: [Callers], around: detached((auth) => auth) }, ran);
    try {
      const result = await scoped(server);
      expect(JSON.parse(result?.content?.[0]?.text ?? '')).toEqual({ subject: 'alice', below: 'alice' });
    } finally {
      await server.close();
    }
  });

  it('takes no copy of it', async () => {
    const server = await startSdkServer({ sdk, providers: [Callers], around: detached((auth) => ({ ...auth })) }, ran);
    try {
      expect(await scoped(server)).toMatchObject({ isError: true });
      expect(ran).toEqual([]);
    } finally {
      await server.close();
    }
  });
});

@Injectable()
class Open {
  @McpTool()
  @Public()
  open(@AuthInfo('subject') subject: string | undefined): string {
    ran.push('open');
    return subject ?? 'nobody';
  }
}

@Injectable()
class Callers {
  constructor(private readonly service: McpAuthService) {}

  @McpTool()
  @RequireScopes('a')
  caller(@AuthInfo('subject') subject: string): object {
    ran.push('caller');
    return { subject, below: this.service.authInfo?.subject };
  }
}

@Injectable()
class Lenient {
  @McpTool({ inputSchema: z.object({ id: z.string().trim() }) })
  @Authorize(({ args }) => (args as { id: string }).id !== 'root')
  trimmed(): string {
    ran.push('trimmed');
    return 'ran';
  }
}

function expectChallenge(server: SdkServer, result: RpcAnswer['result'], scope?: string): void {
  const challenges = result?._meta?.['mcp/www_authenticate'] as string[];
  expect(challenges).toHaveLength(1);
  const [challenge] = parseChallenges(challenges);
  expect(challenge?.scheme).toBe('Bearer');
  expect(challenge?.params).toEqual({
    ...(scope !== undefined && { scope }),
    resource_metadata: metadataUrlOf(server.resource),
  });
}
