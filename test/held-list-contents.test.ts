import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { McpController, Prompt, Resource, ResourceTemplate } from '@rekog/mcp-nest';
import { RequireScopes } from 'nestjs-mcp-auth';
import { closeAtOnce, startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS, type PlatformResponse } from './support/platforms.js';
import { bearer } from './support/rpc.js';
import { until } from './support/until.js';

// What becomes of lists that another MCP server than a framework writes, and how they are taken from whoever writes them.

let write: (response: ServerResponse) => void;
/** What a middleware throws when the head is written. */
let thrown: unknown;

@Controller()
class Lists {
  @Post('own')
  @HttpCode(200)
  own(@Res() response: PlatformResponse): void {
    response.hijack?.();
    write(response.raw ?? response);
  }
}

@McpController()
class Declared {
  @Prompt({ name: 'secret', description: 'Needs admin' })
  @RequireScopes('admin')
  prompt(): object {
    return { messages: [] };
  }

  @Resource({ uri: 'notes://secret', name: 'r' })
  @RequireScopes('admin')
  resource(): object {
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://secret/{id}', name: 't' })
  @RequireScopes('admin')
  template(): object {
    return { contents: [] };
  }
}

const SCHEMES = { securitySchemes: [{ type: 'oauth2', scopes: ['admin'] }] };
const message = (result: unknown): object => ({ jsonrpc: '2.0', id: 1, result });
const tools = (...entries: unknown[]): object => message({ tools: entries });
const text = JSON.stringify;

/** Entries that say nothing to decide about. */
const NOT_UNDERSTOOD = [null, 7, 'admin', [], {}, { name: 7 }, { uri: 'notes://secret' }];

/** What was written, and what is sent to a caller without scopes if hidden entries are hidden. */
const HIDDEN: [what: string, written: unknown, sent: unknown][] = [
  ['tools', tools({ name: 'admin' }, { name: 'a' }), tools({ name: 'a' })],
  ['tools that are not understood', tools(...NOT_UNDERSTOOD), tools(...NOT_UNDERSTOOD)],
  [
    'prompts',
    message({ prompts: [{ name: 'secret' }, { name: 'admin' }, { uri: 'notes://secret' }] }),
    message({ prompts: [{ name: 'admin' }, { uri: 'notes://secret' }] }),
  ],
  [
    'resources',
    message({ resources: [{ uri: 'notes://secret' }, { uri: 'notes://b', name: 'secret' }] }),
    message({ resources: [{ uri: 'notes://b', name: 'secret' }] }),
  ],
  [
    'templates',
    message({
      resourceTemplates: [{ uriTemplate: 'notes://secret/{id}' }, { uri: 'notes://secret' }, { name: 'secret' }],
    }),
    message({ resourceTemplates: [{ uri: 'notes://secret' }, { name: 'secret' }] }),
  ],
  [
    'several lists, in a batch',
    [tools({ name: 'admin' }), message({ tools: [{ name: 'admin' }], prompts: [{ name: 'secret' }] })],
    [tools(), message({ tools: [], prompts: [] })],
  ],
  [
    'what is said of caches',
    message({ tools: [], cacheScope: 'public' }),
    message({ tools: [], cacheScope: 'private' }),
  ],
  [
    'a list that is none',
    message({ tools: 'admin', cacheScope: 'public' }),
    message({ tools: 'admin', cacheScope: 'public' }),
  ],
  ['another list', message({ roots: [{ name: 'admin' }] }), message({ roots: [{ name: 'admin' }] })],
  ['no list', message(null), message(null)],
  ['text', message('text'), message('text')],
  ['an error', { jsonrpc: '2.0', id: 1, error: { code: 1 } }, { jsonrpc: '2.0', id: 1, error: { code: 1 } }],
  ['a batch with something else in it', [null, 7, tools({ name: 'admin' })], [null, 7, tools()]],
];

/** Entries of tools as they are written, and as they are sent where nothing is hidden. */
const ENTRIES: [what: string, written: unknown, sent: unknown][] = [
  ['get what they need', { name: 'admin' }, { name: 'admin', _meta: SCHEMES }],
  [
    'keep what else is said of them',
    { name: 'admin', _meta: { x: 1 } },
    { name: 'admin', _meta: { x: 1, ...SCHEMES } },
  ],
  ['lose what is no object', { name: 'admin', _meta: 'no' }, { name: 'admin', _meta: SCHEMES }],
  [
    'have it twice where the server says it, too',
    { name: 'admin', securitySchemes: [] },
    { name: 'admin', ...SCHEMES, _meta: SCHEMES },
  ],
  [
    'stay as they are if nothing is declared',
    { name: 'of-nobody', securitySchemes: [] },
    { name: 'of-nobody', securitySchemes: [] },
  ],
  ...NOT_UNDERSTOOD.map((entry): [string, unknown, unknown] => [`stay if they are ${text(entry)}`, entry, entry]),
];

const HIDE = text(tools({ name: 'admin' }, { name: 'a' }));
const LEFT = text(tools({ name: 'a' }));

/** JavaScript calls them ends of lines, and event streams do not. */
const SEPARATED = text(tools({ name: 'admin' }, { name: '\u2028\u2029' }));
const SEPARATED_LEFT = text(tools({ name: '\u2028\u2029' }));

/** Event streams as they are written, and as they are sent. */
const STREAMS: [what: string, written: string, sent: string][] = [
  ['one event', `event: message\nid: 1\ndata: ${HIDE}\n\n`, `event: message\nid: 1\ndata: ${LEFT}\n\n`],
  ['no space', `data:${HIDE}\n\n`, `data: ${LEFT}\n\n`],
  ['two spaces', `data:  ${HIDE}\n\n`, `data: ${LEFT}\n\n`],
  ['two events', `data: ${HIDE}\n\nid: 2\ndata: ${HIDE}\n\n`, `data: ${LEFT}\n\nid: 2\ndata: ${LEFT}\n\n`],
  ['data in lines', `data: ${HIDE.slice(0, 1)}\ndata\ndata: ${HIDE.slice(1)}\nid: 1\n\n`, `id: 1\ndata: ${LEFT}\n\n`],
  ['ends of lines of another kind', `id: 1\r\ndata: ${HIDE}\r\n\r\n`, `id: 1\ndata: ${LEFT}\n\n`],
  ['the oldest ends of lines', `id: 1\rdata: ${HIDE}\r\r`, `id: 1\ndata: ${LEFT}\n\n`],
  ['an event that never ends', `data: ${HIDE}`, `data: ${LEFT}`],
  ['comments', `: wait\n\ndata: ${HIDE}\n\n`, `: wait\n\ndata: ${LEFT}\n\n`],
  ['no data', 'id: 7\ndata:\n\nretry: 5\ndata\n\n', 'id: 7\ndata:\n\nretry: 5\ndata\n\n'],
  [
    'fields with another name',
    `database: x\nmydata: y\ndata: ${HIDE}\n\n`,
    `database: x\nmydata: y\ndata: ${LEFT}\n\n`,
  ],
  ['separators of Unicode in a name', `data: ${SEPARATED}\n\n`, `data: ${SEPARATED_LEFT}\n\n`],
  ['no JSON', 'data: a\ndata: {b\n\n', 'data: a\ndata: {b\n\n'],
];

/** Texts that are no event stream, as written and as sent. */
const TEXTS: [what: string, written: string, sent: string][] = [
  ['space around it', ` \r\n\t${HIDE}\n`, LEFT],
  ['a batch', ` [${HIDE}]`, `[${LEFT}]`],
  ['JSON with an empty line', HIDE.replace('{', '{\n\n'), LEFT],
  ['no JSON', '{ "tools": [', '{ "tools": ['],
  ['no JSON, and a line that looks like one', 'data\n{}', 'data\n{}'],
  ['nothing', '', ''],
];

describe.each(PLATFORMS)('a list that another server writes, on %s', (platform) => {
  const servers = new Map<string, NotesServer>();
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    for (const listing of ['hide', 'show'] as const) {
      const server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        controllers: [Lists, Declared],
        options: { scopes: { listing } },
        prepare: (app) =>
          void app.use((_request: unknown, response: ServerResponse, next: () => void) => {
            const { writeHead } = response;
            response.writeHead = ((...head: unknown[]) => {
              if (thrown !== undefined) throw thrown;
              return Reflect.apply(writeHead, response, head) as ServerResponse;
            }) as ServerResponse['writeHead'];
            next();
          }),
      });
      servers.set(listing, server);
      tokens.set(listing, await server.mint({ scope: '' }));
    }
  });
  afterAll(async () => {
    for (const server of servers.values()) await closeAtOnce(server);
  });
  afterEach(() => {
    thrown = undefined;
  });

  async function ask(listing: 'hide' | 'show', ...methods: string[]): Promise<Response> {
    const messages = methods.map((method, id) => ({ jsonrpc: '2.0', id, method, params: {} }));
    return fetch(`${servers.get(listing)?.origin}/own`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'mcp-protocol-version': methods.length > 1 ? '2025-03-26' : '2025-11-25',
        ...bearer(tokens.get(listing)),
      },
      body: text(methods.length > 1 ? messages : messages[0]),
    });
  }
  const sent = async (written: string, listing: 'hide' | 'show' = 'hide', ...methods: string[]): Promise<string> => {
    write = (response) => void response.end(written);
    return (await ask(listing, ...(methods.length > 0 ? methods : ['tools/list']))).text();
  };

  it.each(HIDDEN)('loses what the caller may not use: %s', async (_what, written, expected) => {
    expect(JSON.parse(await sent(text(written)))).toEqual(expected);
  });

  it.each(ENTRIES)('has tools that %s', async (_what, written, expected) => {
    expect(JSON.parse(await sent(text(tools(written)), 'show'))).toEqual(tools(expected));
  });

  it('says of tools only what they need', async () => {
    const written = message({ prompts: [{ name: 'admin' }], resources: [{ name: 'admin' }], cacheScope: 'public' });
    expect(JSON.parse(await sent(text(written), 'show'))).toEqual(written);
  });

  it.each(STREAMS)('is changed in an event stream: %s', async (_what, written, expected) => {
    expect(await sent(written)).toBe(expected);
  });

  it.each(TEXTS)('is changed in a text: %s', async (_what, written, expected) => {
    expect(await sent(written)).toBe(expected);
  });

  it.each([
    ['hide', 'prompts/list', '{ "result": { "prompts": [] } }', '{"result":{"prompts":[]}}'],
    ['hide', 'resources/list', '{ "result": {} }', '{"result":{}}'],
    ['hide', 'resources/templates/list', '{ "result": {} }', '{"result":{}}'],
    ['hide', 'tools/call', '{ "result": {} }', '{ "result": {} }'],
    ['show', 'tools/list', '{ "result": {} }', '{"result":{}}'],
    ['show', 'prompts/list', '{ "result": {} }', '{ "result": {} }'],
  ] as const)('is held back only if it may change: with %s, %s', async (listing, method, written, expected) => {
    expect(await sent(written, listing, method)).toBe(expected);
  });

  it('is changed in a batch, too, where it is one answer of several', async () => {
    expect(await sent(`[${HIDE}]`, 'hide', 'ping', 'tools/list')).toBe(`[${LEFT}]`);
  });

  it('answers each call of the writer as Node does', async () => {
    const answers: unknown[] = [];
    write = (response) => {
      answers.push(response.writeHead(201, 'Fine', { 'x-own': '1' }) === response, response.write(HIDE.slice(0, 9)));
      answers.push(response.end(HIDE.slice(9)) === response);
    };
    const response = await ask('hide', 'tools/list');
    expect(answers).toEqual([true, true, true]);
    expect([response.status, response.statusText, response.headers.get('x-own')]).toEqual([201, 'Fine', '1']);
    expect(await response.text()).toBe(LEFT);
  });

  it('calls each callback of the writer once, in whichever place it is', async () => {
    const called: string[] = [];
    const back = (name: string) => (): number => called.push(name);
    write = (response) => {
      const writeWith = response.write as (...args: unknown[]) => boolean;
      const endWith = response.end as (...args: unknown[]) => ServerResponse;
      writeWith(HIDE.slice(0, 3), back('second'));
      writeWith(HIDE.slice(3, 6), 'utf8', back('third'));
      writeWith(HIDE.slice(6, 9), undefined, back('behind nothing'));
      writeWith(Buffer.from(HIDE.slice(9, 12)), back('before nothing'), undefined);
      writeWith(HIDE.slice(12), undefined, undefined);
      endWith(back('only'));
    };
    expect(await (await ask('hide', 'tools/list')).text()).toBe(LEFT);
    expect(called).toEqual(['second', 'third', 'behind nothing', 'before nothing', 'only']);
  });

  it('is what was written, although the writer uses the same memory for the next piece', async () => {
    const memory = Buffer.alloc(8);
    write = (response) => {
      const next = (at: number): void => {
        if (at >= HIDE.length) return void response.end();
        const length = memory.write(HIDE.slice(at, at + 8));
        response.write(memory.subarray(0, length), () => next(at + 8));
      };
      next(0);
    };
    expect(await (await ask('hide', 'tools/list')).text()).toBe(LEFT);
  });

  it('has the length of what is sent, and no coding', async () => {
    write = (response) =>
      void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 5 }).end(gzipSync(HIDE));
    const response = await ask('hide', 'tools/list');
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.text()).toBe(LEFT);
  });

  it('is sent in a coding that is not known as it is, whatever length was named', async () => {
    write = (response) =>
      void response.writeHead(200, { 'content-encoding': 'x-own', 'content-length': 5 }).end('anything');
    const response = await ask('hide', 'tools/list');
    expect([response.headers.get('content-encoding'), response.headers.get('content-length')]).toEqual(['x-own', null]);
    expect(await response.text()).toBe('anything');
  });

  it.each([
    ['cannot be decoded', (response) => void response.setHeader('content-encoding', 'gzip').end('no gzip')],
    [
      'cannot be sent, because of an error',
      (response) => {
        thrown = new Error('no head');
        response.end(HIDE);
      },
    ],
    [
      'cannot be sent, because of something else',
      (response) => {
        thrown = 'no head';
        response.end(HIDE);
      },
    ],
  ] as [string, (response: ServerResponse) => void][])('ends the connection if it %s', async (_what, answer) => {
    let own!: ServerResponse;
    write = (response) => {
      own = response.on('error', () => undefined);
      answer(response);
    };
    await expect(ask('hide', 'tools/list')).rejects.toThrow();
    await until(() => own.destroyed);
    if (thrown instanceof Error) expect(own.errored).toBe(thrown);
    else if (thrown !== undefined) expect(own.errored ?? null).toBeNull();
  });
});
