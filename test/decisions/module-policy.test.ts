import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { McpController, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import {
  AccessPolicy,
  McpAuthModule,
  RequireScopes,
  type McpAuthModuleOptions,
  type PolicyAnswer,
  type PolicyContext,
  type PolicyOption,
} from 'nestjs-mcp-auth';
import { z } from 'zod';
import { GOOD, problems, refusal, stop } from '../options/started-app.js';
import { call as callDirect, ran as ranDirectly, SETTINGS as DIRECT } from '../support/direct-calls.js';
import { expectRefusal, expectServed, messagesOf, resetRecorded } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { expectReason } from '../support/tokens.js';

// The option `authorize`: one policy for the whole server.

type Asked = Pick<PolicyContext, 'resource' | 'method' | 'operation' | 'args'>;

const asked: Asked[] = [];
let answer: (context: PolicyContext) => PolicyAnswer = () => true;

const policy = (context: PolicyContext): PolicyAnswer => {
  const { resource, method, operation, args } = context;
  asked.push({ resource, method, operation, args });
  return answer(context);
};

@McpController()
class Folders {
  @ResourceTemplate({ uriTemplate: 'folder://{id}', name: 'folder' })
  read(@Payload() { id }: { id: string }): object {
    return { contents: [{ uri: 'folder://', text: id }] };
  }

  @Tool({ name: 'trim', description: 'Trims', parameters: z.object({ to: z.string().trim() }) })
  @RequireScopes('a')
  trim(): object {
    return { content: [] };
  }
}

describe.each(PLATFORMS)('one policy for the whole server, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [Folders],
      options: { id: 'notes', authorize: policy, allowAnonymous: true },
      tools: [givenTool('anyone', { isPublic: true })],
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    resetRecorded(server);
    asked.length = 0;
    answer = () => true;
  });

  const bearer = async (scope = 'a b'): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await server.mint({ scope })}`,
  });
  const rpc = async (method: string, params: object = {}): Promise<Response> =>
    server.rpc(method, params, await bearer());
  const tool = (name: string): object => ({ kind: 'tool', name });

  it('is asked about a tool without any decorator, before dispatch and at the handler', async () => {
    await expectServed(server, await server.callTool('ping', await server.mint(), { x: 1 }), 'ping');
    const about = { resource: 'notes', method: 'tools/call', operation: tool('ping') };
    // The tool has no parameters, so the framework leaves the argument out.
    expect(asked).toEqual([
      { ...about, args: { x: 1 } },
      { ...about, args: {} },
    ]);
  });

  it('can refuse at a handler without any decorator', async () => {
    answer = ({ args }) => Object.keys(args as object).length > 0;
    const response = await server.callTool('ping', await server.mint(), { x: 1 });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([403, null]);
    expect(server.ran).toEqual([]);
  });

  it('is asked before dispatch, and again at the handler with the validated arguments', async () => {
    expect((await server.callTool('trim', await server.mint({ scope: 'a' }), { to: ' x ' })).status).toBe(200);
    const about = { resource: 'notes', method: 'tools/call', operation: tool('trim') };
    expect(asked).toEqual([
      { ...about, args: { to: ' x ' } },
      { ...about, args: { to: 'x' } },
    ]);
  });

  it('can refuse at the handler what it allowed before dispatch', async () => {
    answer = ({ args }) => (args as { to: string }).to !== 'x';
    const response = await server.callTool('trim', await server.mint({ scope: 'a' }), { to: ' x ' });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([403, null]);
    expect(asked).toHaveLength(2);
  });

  it('is asked about a tool that nobody declares, by the name that was sent', async () => {
    answer = () => false;
    await expectRefusal(server, await rpc('tools/call', { name: 'no-such-tool' }), { status: 403 });
    expect(asked).toMatchObject([{ operation: tool('no-such-tool') }]);
  });

  it.each(['initialize', 'tools/list', 'ping', 'foo/bar'])(
    'is asked about %s, which uses no operation',
    async (method) => {
      answer = () => false;
      await expectRefusal(server, await rpc(method), { status: 403 });
      expectReason(server, 'policy_denied');
      expect(asked).toEqual([{ resource: 'notes', method, operation: undefined, args: undefined }]);
    },
  );

  it('is asked about everything in a batch', async () => {
    answer = ({ method }) => method !== 'tools/list';
    const messages = [
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping' } },
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
      { jsonrpc: '2.0', id: 3, method: 'tools/list' },
    ];
    const headers = [
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      `Authorization: ${(await bearer())['authorization']}`,
    ];
    const response = await sendRaw(server.origin, { path: '/mcp', headers, body: JSON.stringify(messages) });
    await expectRefusal(server, response, { status: 403 });
    expect(asked.map(({ method }) => method).toSorted()).toEqual(['tools/call', 'tools/list']);
  });

  it('is asked about the variables of a template, for reading and for a subscription', async () => {
    expect((await rpc('resources/read', { uri: 'folder://a%20b' })).status).toBe(200);
    answer = () => false;
    await expectRefusal(server, await rpc('resources/subscribe', { uri: 'folder://7' }), { status: 403 });
    const operation = { kind: 'resource-template', name: 'folder://{id}' };
    expect(asked).toMatchObject([
      { method: 'resources/read', operation, args: { id: 'a b' } },
      { method: 'resources/read', operation, args: { id: 'a b' } },
      { method: 'resources/subscribe', operation, args: { id: '7' } },
    ]);
  });

  it.each([`folder://${'x'.repeat(3_000)}`, 'folder://%E0%A4%A'])(
    'is not passed by with a resource of which nobody knows which it is',
    async (uri) => {
      await expectRefusal(server, await rpc('resources/read', { uri }), { status: 403 });
      expectReason(server, 'policy_not_asked');
      expect(asked).toEqual([]);
    },
  );

  it('is asked about an unknown resource as it was sent, and about a completion', async () => {
    await rpc('resources/read', { uri: 'other://x/y' });
    const ref = { type: 'ref/resource', uri: 'folder://{id}' };
    await rpc('completion/complete', { ref, argument: { name: 'id', value: 'a' } });
    expect(asked).toMatchObject([
      { operation: { kind: 'resource', name: 'other://x/y' }, args: undefined },
      { method: 'completion/complete', operation: { kind: 'resource-template' }, args: { id: 'a' } },
    ]);
  });

  it('is asked about HTTP routes, but not about public ones', async () => {
    const headers = await bearer();
    expect((await fetch(`${server.origin}/plain`, { headers })).status).toBe(200);
    expect(asked).toEqual([{ resource: 'notes', method: undefined, operation: undefined, args: undefined }]);
    answer = () => false;
    resetRecorded(server);
    await expectRefusal(server, await fetch(`${server.origin}/plain`, { headers }), { status: 403 });
    expect((await fetch(`${server.origin}/open`, { headers })).status).toBe(200);
  });

  it('is not asked about callers without a token, and is about others at a public tool', async () => {
    answer = () => false;
    expect((await server.callTool('anyone')).status).toBe(200);
    expect(asked).toEqual([]);
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('anyone', await server.mint()), { status: 403 });
  });

  it('asks for its scopes in one challenge with those of decorators', async () => {
    answer = () => ['extra'];
    const expected = { status: 403, error: 'insufficient_scope', scope: 'a b extra' } as const;
    await expectRefusal(server, await server.callTool('write-note', await server.mint({ scope: 'a' })), expected);
    await expectServed(
      server,
      await server.callTool('write-note', await server.mint({ scope: 'a b extra' })),
      'write-note',
    );
  });

  it('cannot allow what a decorator refuses, and is not needed for that', async () => {
    await expectRefusal(server, await server.callTool('forbidden', await server.mint()), { status: 403 });
  });

  it('refuses with an exception as a policy of a decorator does', async () => {
    answer = () => {
      throw new Error('the database is down');
    };
    const response = await server.callTool('ping', await server.mint());
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('database');
    expect(server.ran).toEqual([]);
  });

  it.each([
    ['text', 'yes'],
    ['nothing', undefined],
    ['a list of other things', [1]],
    ['an object', { decision: true }],
  ])('refuses with %s', async (_what, value) => {
    answer = () => value as unknown as PolicyAnswer;
    await expectRefusal(server, await server.callTool('ping', await server.mint()), { status: 403 });
  });
});

/** Decides with the help of another provider. */
@Injectable()
class Tenants {
  readonly suspended = new Set(['acme']);
}

@Injectable()
class TenantPolicy extends AccessPolicy {
  constructor(private readonly tenants: Tenants) {
    super();
  }

  decide({ auth }: PolicyContext): PolicyAnswer {
    return !this.tenants.suspended.has(String(auth.claims['tenant']));
  }
}

describe.each(PLATFORMS)('a policy that is a provider, on %s', (platform) => {
  let server: NotesServer | undefined;
  afterEach(() => server?.close());

  const start = async (authorize: PolicyOption | undefined, listing: 'show' | 'hide' = 'show'): Promise<NotesServer> =>
    (server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      providers: [Tenants, TenantPolicy],
      tools: [givenTool('own', { policies: [TenantPolicy] })],
      options: { ...(authorize && { authorize }), scopes: { listing } },
    }));

  it.each([
    ['the option', TenantPolicy, 'ping'],
    ['a decorator', undefined, 'own'],
  ])('decides in %s', async (_where, authorize, tool) => {
    const { mint, callTool } = await start(authorize);
    await expectRefusal(server!, await callTool(tool, await mint({ tenant: 'acme' })), { status: 403 });
    await expectServed(server!, await callTool(tool, await mint({ tenant: 'other' })), tool);
  });

  it('hides from lists what it refuses', async () => {
    const byName = ({ operation }: PolicyContext): boolean => operation === undefined || operation.name === 'ping';
    const { rpc, mint } = await start(byName, 'hide');
    const response = await rpc('tools/list', {}, { authorization: `Bearer ${await mint()}` });
    const [message] = messagesOf(await response.text());
    const { tools } = (message as { result: { tools: { name: string }[] } }).result;
    expect(tools.map(({ name }) => name)).toEqual(['ping']);
  });
});

describe.each(PLATFORMS)('handlers that an MCP framework calls as plain methods, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      ...DIRECT,
      options: { authorize: ({ operation }) => operation?.name !== 'plain' },
    });
  });
  afterAll(() => server.close());

  it('are decided at the handler, too, without any decorator', async () => {
    resetRecorded(server);
    ranDirectly.length = 0;
    const token = await server.mint();
    // The tool has another name for the guard than at the handler.
    for (const settings of [{ token }, { token, path: 'around' }]) await callDirect(server, 'plain', settings);
    expect((await callDirect(server, 'unseen-plain', { token })).status).toBe(403);
    expect(ranDirectly).toEqual([]);
  });
});

describe('what cannot be a policy', () => {
  afterEach(stop);

  it.each([
    ['text', 'yes', '"yes"'],
    ['a list', [() => true], '[a function]'],
    ['a class without the method', Tenants, 'another class'],
  ])('stops the start: %s', async (_what, authorize, seen) => {
    const error = await problems({ ...GOOD, authorize });
    expect(error.problems).toMatchObject([
      { option: 'authorize', seen, why: expect.stringMatching(/must be a function/) },
    ]);
  });

  it('stops the start: a class that Nest cannot make', async () => {
    const options = { ...GOOD, authorize: TenantPolicy } as McpAuthModuleOptions;
    for (const module of [McpAuthModule.forRoot(options), McpAuthModule.forRootAsync({ useFactory: () => options })]) {
      const error = await refusal(() => module);
      expect(error.problems).toMatchObject([{ option: 'authorize', seen: 'the class TenantPolicy' }]);
    }
  });
});
