import { gzipSync, deflateSync, brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { McpController, Prompt, Resource, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { RequireScopes } from 'nestjs-mcp-auth';
import { resetRecorded } from './support/expectations.js';
import { MCP_2026_META, mcp2026Headers } from './support/mcp-2026.js';
import { startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { sendRaw, type RawResponse } from './support/raw-http.js';

/** Every handler here needs the scope `secret`, and writes its name when it runs. */
const ran: string[] = [];

@McpController()
@RequireScopes('secret')
class SecretHandlers {
  @Tool({ name: 'secret-tool', description: 'x' })
  tool(): object {
    ran.push('tool');
    return { content: [] };
  }

  @Tool({ name: '__proto__', description: 'x' })
  proto(): object {
    ran.push('__proto__');
    return { content: [] };
  }

  @Tool({ name: 'constructor', description: 'x' })
  ctor(): object {
    ran.push('constructor');
    return { content: [] };
  }

  @Tool({ name: 'secret tool', description: 'x' })
  spaced(): object {
    ran.push('spaced');
    return { content: [] };
  }

  @Resource({ uri: 'notes://secret', name: 'fixed' })
  fixed(): object {
    ran.push('fixed');
    return { contents: [] };
  }

  @Resource({ uri: 'notes://deep/Path/x', name: 'deep' })
  deep(): object {
    ran.push('deep');
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://by-id/{id}', name: 'by-id' })
  byId(): object {
    ran.push('by-id');
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://tree/{path*}', name: 'tree' })
  tree(): object {
    ran.push('tree');
    return { contents: [] };
  }

  @ResourceTemplate({ uriTemplate: 'notes://search{?q,page}', name: 'search' })
  search(): object {
    ran.push('search');
    return { contents: [] };
  }

  @Prompt({ name: 'secret-prompt', description: 'x' })
  prompt(): object {
    ran.push('prompt');
    return { messages: [] };
  }
}

@McpController()
class OpenHandlers {
  @Tool({ name: 'open-tool', description: 'x' })
  tool(): object {
    return { content: [] };
  }

  @Resource({ uri: 'notes://open', name: 'open' })
  open(): object {
    return { contents: [] };
  }
}

type Method = 'tools/call' | 'resources/read' | 'prompts/get';
interface Attempt {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body: string | Uint8Array;
}

const message = (method: string, params: unknown, id: unknown = 1): Record<string, unknown> => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});
const text = (value: unknown): string => JSON.stringify(value);
const tool = message('tools/call', { name: 'secret-tool', arguments: {} });
const JSON_TYPE = 'Content-Type: application/json';

/** What is asked for under many names; each must be refused, or find nothing. */
const NAMES: readonly [Method, string][] = [
  ['tools/call', 'secret-tool'],
  ['tools/call', '__proto__'],
  ['tools/call', 'constructor'],
  ['tools/call', 'secret tool'],
  ['prompts/get', 'secret-prompt'],
  ['resources/read', 'notes://secret'],
  ['resources/read', 'NOTES://secret'],
  ['resources/read', 'notes://SECRET'],
  ['resources/read', 'notes://secret/'],
  ['resources/read', 'other://secret'],
  ['resources/read', 'secret'],
  ['resources/read', 'notes://secret?x=1'],
  ['resources/read', 'notes://secret#x'],
  ['resources/read', 'notes://%73ecret'],
  ['resources/read', 'notes://secret://x'],
  ['resources/read', 'x://secret://notes://open'],
  ['resources/read', 'notes://deep/path/X/'],
  ['resources/read', 'notes://deep/Path/../Path/x'],
  ['resources/read', 'notes://by-id/7'],
  ['resources/read', 'NOTES://BY-ID/7/'],
  ['resources/read', 'notes://by-id/%2e%2e'],
  ['resources/read', 'notes://by-id/..'],
  ['resources/read', 'notes://by-id/open'],
  ['resources/read', 'notes://by-id/7?open'],
  ['resources/read', 'notes://by-id/7%2Fopen'],
  ['resources/read', `notes://by-id/${'x'.repeat(4000)}`],
  ['resources/read', 'notes://tree/a/b/c'],
  ['resources/read', 'notes://tree/a//b'],
  ['resources/read', 'x://tree/notes://open'],
  ['resources/read', 'notes://search?q=1'],
  ['resources/read', 'notes://search'],
];

const nameOf = (method: Method, name: string): object =>
  method === 'resources/read' ? { uri: name } : { name, arguments: {} };

/** Ways to send a call of `secret-tool` past whoever only looks at the usual one. */
const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  'in another case of the path': { path: '/MCP', body: text(tool) },
  'with a slash behind the path': { path: '/mcp/', body: text(tool) },
  'with two slashes before it': { path: '//mcp', body: text(tool) },
  'with an encoded path': { path: '/%6d%63%70', body: text(tool) },
  'with a dot segment': { path: '/./mcp', body: text(tool) },
  'with a parent segment': { path: '/open/../mcp', body: text(tool) },
  'with a query': { path: '/mcp?public=1', body: text(tool) },
  'with a matrix parameter': { path: '/mcp;x=1', body: text(tool) },
  'with an absolute target': { path: 'http://127.0.0.1/mcp', body: text(tool) },
  'by PUT': { method: 'PUT', body: text(tool) },
  'by another case of POST': { method: 'post', body: text(tool) },
  'by a method override': { headers: ['X-HTTP-Method-Override: GET'], body: text(tool) },
  'by GET with a body': { method: 'GET', body: text(tool) },
  'with a method in another case': { body: text({ ...tool, method: 'Tools/Call' }) },
  'with a method of odd type': { body: text({ ...tool, method: ['tools/call'] }) },
  'with a slash behind the method': { body: text({ ...tool, method: 'tools/call/' }) },
  'with an odd version': { body: text({ ...tool, jsonrpc: '1.0' }) },
  'with a version that is a number': { body: text({ ...tool, jsonrpc: 2 }) },
  'without a version': { body: text({ ...tool, jsonrpc: undefined }) },
  'without an id': { body: text({ ...tool, id: undefined }) },
  'with an id that is an object': { body: text({ ...tool, id: {} }) },
  'with params that are a list': { body: text({ ...tool, params: ['secret-tool', {}] }) },
  'with a name that is a list': { body: text({ ...tool, params: { name: ['secret-tool'], arguments: {} } }) },
  'with a name that is an object': { body: text({ ...tool, params: { name: { toString: 'secret-tool' } } }) },
  'with white space in the name': { body: text({ ...tool, params: { name: ' secret-tool' } }) },
  'with the name in another case': { body: text({ ...tool, params: { name: 'Secret-Tool' } }) },
  'with NUL in the name': { body: text({ ...tool, params: { name: 'secret-tool\0' } }) },
  'with another name first': {
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open-tool","name":"secret-tool"}}',
  },
  'with another name last': {
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret-tool","name":"open-tool"}}',
  },
  'with a prototype in the body': {
    body: '{"jsonrpc":"2.0","id":1,"__proto__":{"method":"tools/list"},"method":"tools/call","params":{"name":"secret-tool"}}',
  },
  'with params in a prototype': {
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"__proto__":{"name":"secret-tool"}}}',
  },
  'with a byte order mark': { body: `\uFEFF${text(tool)}` },
  'in UTF-16': {
    headers: ['Content-Type: application/json; charset=utf-16le'],
    body: Buffer.from(text(tool), 'utf16le'),
  },
  'as text': { headers: ['Content-Type: text/plain'], body: text(tool) },
  'as a form': {
    headers: ['Content-Type: application/x-www-form-urlencoded'],
    body: `jsonrpc=2.0&id=1&method=tools/call&params[name]=secret-tool`,
  },
  'without a type': { headers: ['Content-Type:'], body: text(tool) },
  'as JSON of another kind': { headers: ['Content-Type: application/vnd.api+json'], body: text(tool) },
  gzipped: { headers: [JSON_TYPE, 'Content-Encoding: gzip'], body: gzipSync(text(tool)) },
  deflated: { headers: [JSON_TYPE, 'Content-Encoding: deflate'], body: deflateSync(text(tool)) },
  'in brotli': { headers: [JSON_TYPE, 'Content-Encoding: br'], body: brotliCompressSync(text(tool)) },
  'gzipped twice': { headers: [JSON_TYPE, 'Content-Encoding: gzip, gzip'], body: gzipSync(gzipSync(text(tool))) },
  'in a batch': { body: text([message('tools/list', {}), tool]) },
  'in a batch of one': { body: text([tool]) },
  'in a batch within a batch': { body: text([[tool]]) },
  'in a batch behind rubbish': { body: text([null, 1, 'x', {}, tool]) },
  'in a batch that names a version without batches': {
    headers: [JSON_TYPE, 'MCP-Protocol-Version: 2025-11-25'],
    body: text([tool]),
  },
  'under the headers of another call': {
    headers: [JSON_TYPE, 'Mcp-Method: tools/call', 'Mcp-Name: open-tool'],
    body: text(tool),
  },
  'in the other era, under the headers of another call': {
    headers: [
      JSON_TYPE,
      ...Object.entries(mcp2026Headers('tools/call', 'open-tool')).map(([name, value]) => `${name}: ${value}`),
    ],
    body: text({ ...tool, params: { ...(tool['params'] as object), _meta: MCP_2026_META } }),
  },
  'in the other era': {
    headers: [
      JSON_TYPE,
      ...Object.entries(mcp2026Headers('tools/call', 'secret-tool')).map(([name, value]) => `${name}: ${value}`),
    ],
    body: text({ ...tool, params: { ...(tool['params'] as object), _meta: MCP_2026_META } }),
  },
  'deep in arguments': {
    body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret-tool","arguments":{"a":${'['.repeat(5000)}${']'.repeat(5000)}}}}`,
  },
  'in a huge body': { body: text({ ...tool, params: { name: 'secret-tool', arguments: { x: 'x'.repeat(90_000) } } }) },
  'in a body beyond the limit': {
    body: text({ ...tool, params: { name: 'secret-tool', arguments: { x: 'x'.repeat(3_000_000) } } }),
  },
  'behind 10,000 other members': {
    body: text({ ...Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`m${i}`, i])), ...tool }),
  },
  'as a completion': {
    body: text(
      message('completion/complete', {
        ref: { type: 'ref/prompt', name: 'secret-prompt' },
        argument: { name: 'a', value: '' },
      }),
    ),
  },
  'as a subscription': { body: text(message('resources/subscribe', { uri: 'notes://secret' })) },
};

describe.each(PLATFORMS)('ways past the decision before dispatch, on %s', (platform) => {
  describe.each([
    ['with parsed bodies', true],
    ['with the body left unparsed', false],
  ])('%s', (_how, bodyParser) => {
    let server: NotesServer;
    let token: string;
    let full: string;
    beforeAll(async () => {
      server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        controllers: [SecretHandlers, OpenHandlers],
        bodyParser,
      });
      token = await server.mint({ scope: 'other' });
      full = await server.mint({ scope: 'secret' });
    });
    afterAll(() => server.close());
    beforeEach(() => {
      resetRecorded(server);
      ran.length = 0;
    });

    async function send(
      { method, path = '/mcp', headers = [JSON_TYPE], body }: Attempt,
      as: string,
    ): Promise<RawResponse> {
      const all = ['Accept: application/json, text/event-stream', `Authorization: Bearer ${as}`, ...headers];
      return sendRaw(server.origin, { ...(method && { method }), path, headers: all, body: body as string });
    }

    it.each(NAMES)('%s of %j is refused, or finds nothing', async (method, name) => {
      const response = await send({ body: text(message(method, nameOf(method, name))) }, token);
      expect(ran).toEqual([]);
      expect(response.status).toBeLessThan(500);
    });

    it.each(Object.keys(ATTEMPTS))('a call sent %s does not run', async (what) => {
      const response = await send(ATTEMPTS[what] as Attempt, token);
      expect(ran).toEqual([]);
      expect({ what, status: response.status }).not.toEqual({ what, status: 500 });
    });

    it('the same calls do run with the scope, if the guard can see them', async () => {
      for (const [method, name] of NAMES.slice(0, 6))
        await send({ body: text(message(method, nameOf(method, name))) }, full);
      // Fastify parses JSON all the same.
      const isSeen = bodyParser || platform === 'fastify';
      expect(ran).toEqual(isSeen ? ['tool', '__proto__', 'constructor', 'spaced', 'prompt', 'fixed'] : []);
    });
  });
});
