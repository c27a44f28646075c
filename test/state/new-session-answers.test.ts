import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { McpAuthRevocations } from 'nestjs-mcp-auth';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type PlatformResponse } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { INITIALIZE } from '../support/sessions.js';
import { SharedSessionOwners } from '../support/shared-session-owners.js';
import { until } from '../support/until.js';

// The answer with a new session waits until the store of the option `sessions` knows the session.

let write: (response: ServerResponse) => void;
/** The response that was written last. */
let own: ServerResponse | undefined;
/** Errors of responses. */
const faults: unknown[] = [];

@Controller()
class OwnSessions {
  @Post('own')
  @HttpCode(200)
  own(@Res() response: PlatformResponse): void {
    response.hijack?.();
    const raw = response.raw ?? response;
    raw.on('error', (error) => faults.push(error));
    raw.statusCode = 200;
    write(raw);
    own = raw;
  }
}

const SESSION = { 'mcp-session-id': 'new' };
const named = (response: ServerResponse): ServerResponse => response.setHeader('mcp-session-id', 'new');

/** Ways to write the text `onetwo` on Node's response, and what the calls return meanwhile: true, or the response. */
const WAYS: Record<string, (response: ServerResponse) => unknown[]> = {
  'a head, a piece, and the end': (response) => [
    response.writeHead(200, SESSION) === response,
    response.write('one'),
    response.end('two') === response,
  ],
  'a head with a reason and a list': (response) => [
    response.writeHead(200, 'OK', ['X-First', '1', 'MCP-Session-Id', 'new'] as never) === response,
    response.end('onetwo') === response,
  ],
  'pieces, with a header that was set': (response) => [
    named(response).write('one'),
    response.write('two'),
    response.end() === response,
  ],
  'only an end, with a header that was set': (response) => [named(response).end('onetwo') === response],
  'an encoding and callbacks': (response) => {
    const goesOn = named(response).write('b25l', 'base64', () => undefined);
    return [goesOn, response.end('two', 'utf8', () => undefined) === response];
  },
  'flushed headers': (response) => {
    named(response).flushHeaders();
    return [response.write('one'), response.end('two') === response];
  },
};

describe.each(PLATFORMS)('the answer with a new session, on %s', (platform) => {
  const store = new SharedSessionOwners();
  let server: NotesServer;
  let goOn: () => void;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      controllers: [OwnSessions],
      options: { sessions: { store }, revocation: {} },
    });
  });
  afterAll(() => closeAtOnce(server));
  beforeEach(() => {
    store.owners.clear();
    store.calls = 0;
    store.pause = new Promise((resolve) => (goOn = resolve));
    own = undefined;
    faults.length = 0;
  });

  async function open(sub = 'alice'): Promise<Response> {
    return fetch(`${server.origin}/own`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...bearer(await server.mint({ sub, jti: `${sub} ${Math.random()}` })),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: INITIALIZE }),
    });
  }

  it.each(Object.keys(WAYS))('MCP-25-SES-02: waits for the store, and is complete then: %s', async (way) => {
    let returned: unknown[] = [];
    write = (response) => (returned = WAYS[way]?.(response) ?? []);
    const opening = open();
    await until(() => own !== undefined);
    expect([own?.headersSent, store.calls, store.owners.size]).toEqual([false, 1, 0]);
    expect(returned).toEqual(returned.map(() => true));
    goOn();
    const response = await opening;
    expect([response.status, response.headers.get('mcp-session-id')]).toEqual([200, 'new']);
    expect(await response.text()).toBe('onetwo');
    expect([store.calls, store.owners.size, faults]).toEqual([1, 1, []]);
  });

  it('goes on as written after the store knows the session', async () => {
    write = (response) => void response.writeHead(200, SESSION).write('one');
    const opening = open();
    await until(() => own !== undefined);
    goOn();
    const response = await opening;
    own?.end('two');
    expect(await response.text()).toBe('onetwo');
    expect(store.calls).toBe(1);
  });

  it('does not wait if there is no new session', async () => {
    for (const answer of [
      (response: ServerResponse) => void response.writeHead(200, { 'x-own': '1' }).end('onetwo'),
      (response: ServerResponse) => {
        response.write('one');
        response.end('two');
      },
    ]) {
      write = answer;
      const response = await open();
      expect([response.status, await response.text(), store.calls]).toEqual([200, 'onetwo', 0]);
    }
  });

  it('is complete although a middleware began another answer after its end', async () => {
    const long = 'x'.repeat(4_000_000);
    write = (response) => {
      response.writeHead(200, SESSION).end(long);
      response.writeHead(504).end();
    };
    const opening = open();
    await until(() => own !== undefined);
    goOn();
    const response = await opening;
    expect([response.status, (await response.text()).length]).toEqual([200, long.length]);
  });

  it('is cut off if a middleware began another answer before its end', async () => {
    write = (response) => {
      response.writeHead(200, SESSION).write('one');
      response.writeHead(504).end();
    };
    const opening = open().then((response) => response.text());
    const cutOff = expect(opening).rejects.toThrow();
    await until(() => own !== undefined);
    goOn();
    await cutOff;
    expect(own?.writableEnded).toBe(false);
  });

  it.each([
    ['a head', (response: ServerResponse) => void response.writeHead(200, SESSION)],
    ['a piece', (response: ServerResponse) => void named(response).write('one')],
  ])(
    'LIB-27: stays the refusal if the token was revoked meanwhile, whatever else is written: %s',
    async (way, answer) => {
      // Later than a revocation of the same principal.
      server.clock.now += 60_000;
      write = answer;
      const opening = open(way);
      await until(() => own !== undefined);
      const principal = { issuer: server.issuer.issuer, subject: way };
      await server.app.get(McpAuthRevocations, { strict: false }).revoke({ principal });
      const response = await opening;
      goOn();
      await until(() => store.owners.size > 0);
      await new Promise(setImmediate);
      expect([own?.write('more'), own?.end('end')]).toEqual([true, own]);
      expect(response.status).toBe(401);
      expect(await response.text()).not.toMatch(/one|more|end/);
      await new Promise(setImmediate);
      expect(faults).toEqual([]);
    },
  );
});
