import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpController, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { Authorize, Public, RequireScopes } from 'nestjs-mcp-auth';
import { readRpcBody } from '../lib/request/rpc-body.js';
import { OperationIndex } from '../lib/handlers/operation-index.js';
import { handlerDeclaration } from '../lib/handlers/handler-declaration.js';
import { withWatchdog } from './support/watchdog.js';
import { expectRefusal, resetRecorded, messagesOf } from './support/expectations.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { expectReason } from './support/tokens.js';

const asked: unknown[] = [];

@McpController()
class CalendarHandlers {
  @ResourceTemplate({ uriTemplate: 'calendar://{year}-{month}-{day}', name: 'day' })
  @RequireScopes('calendar:read')
  day(): object {
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'gh://{owner}.{repo}.{branch}.{file}', name: 'file' })
  @RequireScopes('gh:read')
  file(): object {
    return { contents: [] };
  }

  @Tool({ name: 'open-to-all', description: 'For anybody' })
  @Public()
  open(): object {
    return { content: [] };
  }

  @Tool({ name: 'asks', description: 'Asks for each call' })
  @RequireScopes('a')
  @Authorize(() => {
    asked.push('asks');
    return true;
  })
  asks(): object {
    return { content: [] };
  }
}

const evil = `calendar://${'-'.repeat(2_000)}/x/y`;
const read = (uri: string): object => ({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } });
const call = (name: string, id = 1): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {} },
});
const listen = (uris: readonly unknown[]): object => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'subscriptions/listen',
  params: { notifications: { resourceSubscriptions: uris } },
});
const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

/** Each of about as many bytes, of what bodies are made of. */
function shapes(bytes: number): [what: string, body: string][] {
  const text = (body: unknown): string => JSON.stringify(body);
  const perUri = bytes / 4;
  return [
    ['one URI that templates nearly match', text(read(`calendar://${'-'.repeat(bytes)}/x/y`))],
    ['a batch of URIs that templates nearly match', text(many(Math.floor(bytes / 2_100), read(evil)))],
    ['a batch of small messages', text(many(Math.floor(bytes / 70), read('s')))],
    ['a subscription to many URIs', text(listen(many(Math.floor(perUri), 's')))],
    ['a subscription to URIs that templates nearly match', text(listen(many(Math.floor(bytes / 2_020), evil)))],
    ['a batch of subscriptions', text(many(Math.floor(bytes / 1_000), listen(many(220, 's'))))],
    ['a tool with a long name', text(call('x'.repeat(bytes)))],
    ['a batch of values that are not messages', text(many(Math.floor(bytes / 3), {}))],
    ['nested lists', '['.repeat(bytes / 2) + ']'.repeat(bytes / 2)],
    [
      'nested arguments',
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","arguments":${'{"a":'.repeat(bytes / 8)}1${'}'.repeat(bytes / 8)}}}`,
    ],
    [
      'a completion of a long reference',
      text({
        jsonrpc: '2.0',
        id: 1,
        method: 'completion/complete',
        params: { ref: { type: 'ref/resource', uri: '{'.repeat(bytes) } },
      }),
    ],
    ['a method with a long name', text({ jsonrpc: '2.0', id: 1, method: 'eyJ'.repeat(bytes / 3) })],
    ['a long id', text({ ...call('admin'), id: '"'.repeat(bytes / 2 - 50) })],
  ];
}

describe.each(PLATFORMS)('LIB-19: a large body, on %s', (platform) => {
  let server: NotesServer;
  let anonymous: NotesServer;
  beforeAll(async () => {
    const settings = { issuer: { alg: 'ES256' as const }, controllers: [CalendarHandlers] };
    server = await startNotesServer(platform, settings);
    anonymous = await startNotesServer(platform, { ...settings, options: { allowAnonymous: true } });
  });
  afterAll(() => Promise.all([server.close(), anonymous.close()]));
  beforeEach(() => {
    resetRecorded(server);
    resetRecorded(anonymous);
    asked.length = 0;
  });

  const post = (to: NotesServer, body: string, token?: string): Promise<Response> =>
    fetch(to.resource, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...bearer(token) },
      body,
    });
  const send = (body: unknown, token?: string): Promise<Response> => post(server, JSON.stringify(body), token);

  // The body parser of Express takes 100 KiB, that of Fastify 1 MiB.
  const size = platform === 'express' ? 95_000 : 950_000;

  it.each(shapes(size))('without a token is 401 for %s, and no error of the server', async (_what, body) => {
    for (const to of [server, anonymous]) {
      const response = await post(to, body);
      await response.text();
      // Beyond what a parser takes at all, it is refused by the parser.
      expect([400, 401, 413]).toContain(response.status);
      if (body.length < 1_000_000 && !body.startsWith('[[')) expect(response.status).toBe(401);
      expect(to.ran).toEqual([]);
      expect(to.log.join('\n')).not.toMatch(/RangeError|Maximum call stack|\n\s+at /);
    }
  });

  it('is looked at after the token, so that nothing in it hides that the token is bad', async () => {
    for (const body of [many(1_000, call('ping')), listen(many(9_000, 'x://y'))]) {
      await expectRefusal(server, await send(body, 'not-a-token'), { status: 401, error: 'invalid_token' });
    }
  });

  it('of more than 100 messages is refused as a batch', async () => {
    const token = await server.mint({ scope: 'a' });
    await expectRefusal(server, await send(many(101, call('ping')), token), {
      status: 400,
      transport: 'batch_rejected',
      token,
    });
    expectReason(server, 'too_many_messages');
    expect(
      (
        await send(
          Array.from({ length: 100 }, (_, id) => call('ping', id)),
          token,
        )
      ).status,
    ).toBe(200);
    expect(server.ran).toHaveLength(100);
  });

  it('of more than 100 messages is refused as a batch, whatever stands before the first message', async () => {
    const token = await server.mint({ scope: 'a' });
    for (const before of [1, null, {}, { jsonrpc: '1.0', method: 'ping' }, [call('ping')]]) {
      await expectRefusal(server, await send([...many(100, before), call('admin')], token), {
        status: 400,
        transport: 'batch_rejected',
        token,
      });
      expectReason(server, 'too_many_messages');
      expect(server.ran).toEqual([]);
    }
  });

  it('that uses more than 1,000 resources is refused, alone and in a batch', async () => {
    const token = await server.mint({ scope: 'a' });
    const transport = { status: 400, transport: 'batch_rejected', token } as const;
    await expectRefusal(server, await send(listen(many(1_001, 'x://y')), token), transport);
    expectReason(server, 'too_many_operations');
    await expectRefusal(server, await send([listen(many(600, 'x://y')), listen(many(600, 'x://y'))], token), transport);
    expect((await send(listen(many(1_000, 'calendar://1-2-3')), token)).status).toBe(403);
  });

  it('of other routes is not limited', async () => {
    const token = await server.mint({ scope: 'a b' });
    const response = await fetch(`${server.origin}/plain/scoped`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(token) },
      body: JSON.stringify(many(5_000, { a: 1 })),
    });
    expect(response.status).toBe(201);
  });

  it('MCP-26-RS-08: names the scopes of the operations in it, of the first twenty at least', async () => {
    const batch = [...many(19, call('ping')), call('admin'), ...many(60, call('write-note'))];
    await expectRefusal(server, await send(batch), { status: 401, scope: 'admin' });
    await expectRefusal(server, await send(batch.slice(10)), { status: 401, scope: 'admin a b' });
  });

  it('of public operations needs no token as long as there are few', async () => {
    const public20 = await post(anonymous, JSON.stringify(many(20, call('open-to-all'))));
    expect(public20.status).toBe(200);
    await public20.text();
    await expectRefusal(anonymous, await post(anonymous, JSON.stringify(many(21, call('open-to-all')))), {
      status: 401,
    });
  });

  it('of a caller without the scopes has no policy asked for a batch', async () => {
    const token = await server.mint({ scope: 'other' });
    const response = await send(many(100, call('asks')), token);
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token });
    expect(asked).toEqual([]);
  });

  it('is answered as a batch by a caller who may do all of it', async () => {
    const token = await server.mint({ scope: 'a' });
    const response = await send([call('asks', 1), call('ping', 2)], token);
    expect(messagesOf(await response.text()).flat()).toHaveLength(2);
    expect(asked).toEqual(['asks', 'asks']);
  });
});

describe('LIB-19: reading a body', () => {
  it('ends soon, and reads no more than is looked at', () => {
    withWatchdog(() => {
      expect(readRpcBody(many(500_000, call('x')))).toMatchObject({ excess: 'messages', messages: { length: 100 } });
      expect(readRpcBody(listen(many(500_000, 'x')))).toMatchObject({
        excess: 'operations',
        operations: { length: 1_000 },
      });
    });
  });

  it('finds what is declared for a URI in time that grows with its length', () => {
    const declaration = handlerDeclaration(class {}, () => undefined);
    const names = [
      'calendar://{year}-{month}-{day}',
      'gh://{owner}.{repo}.{branch}.{file}',
      'n://{+a}x{+b}x{+c}',
      'n://{a*}-{b*}',
    ];
    const entries = names.flatMap((name) =>
      (['options', 'templates-first', 'exact-first'] as const).map((origin) => ({
        kind: 'resource-template' as const,
        name,
        origin,
        declaration,
      })),
    );
    const index = new OperationIndex(entries);
    withWatchdog(() => {
      for (let count = 0; count < 1_000; count += 1) {
        for (const uri of [
          evil,
          `gh://${'.'.repeat(2_000)}/x`,
          `n://${'x'.repeat(2_000)}`,
          `n://${'a,-'.repeat(600)}/`,
        ]) {
          index.find({
            kind: 'resource',
            method: 'resources/subscribe',
            name: uri.slice(0, 2_048),
            args: undefined,
            reachesHandler: false,
          });
        }
      }
    });
  });
});
