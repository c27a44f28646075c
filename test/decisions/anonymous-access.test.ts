import { afterEach, describe, expect, it } from '@jest/globals';
import type { AnonymousAccessOptions } from 'nestjs-mcp-auth';
import { expectProblems, GOOD } from '../options/started-app.js';
import { givenTool } from '../support/given-tool.js';
import { sendMcp2026 } from '../support/mcp-2026.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';

// The option `allowAnonymous` as an object: what callers without a token may do.

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };

const REQUESTS: Readonly<
  Record<keyof AnonymousAccessOptions, readonly (readonly [string, Record<string, unknown>])[]>
> = {
  connect: [
    ['initialize', INITIALIZE],
    ['ping', {}],
    ['notifications/initialized', {}],
    ['notifications/cancelled', {}],
  ],
  list: [
    ['tools/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
    ['prompts/list', {}],
    ['server/discover', {}],
  ],
  call: [['tools/call', { name: 'help' }]],
};

const MEMBERS = ['connect', 'list', 'call'] as const;

/** Each set of members, from none to all. */
const COMBINATIONS = Array.from({ length: 8 }, (_, bits) =>
  Object.fromEntries(MEMBERS.map((member, index) => [member, (bits & (1 << index)) !== 0])),
) as Required<AnonymousAccessOptions>[];

describe.each(PLATFORMS)('callers without a token, on %s', (platform) => {
  let server: NotesServer;
  afterEach(() => server.close());

  const start = async (allowAnonymous: boolean | AnonymousAccessOptions): Promise<void> => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      tools: [givenTool('help', { isPublic: true })],
      options: { allowAnonymous, scopes: { required: ['base'] } },
    });
  };
  const isLetIn = ({ status }: { readonly status: number }): boolean => status !== 401;

  it.each(COMBINATIONS)(
    'may do what connect: $connect, list: $list, call: $call says, and nothing else',
    async (allowed) => {
      await start(allowed);
      for (const member of MEMBERS) {
        for (const [method, params] of REQUESTS[member]) {
          const answers = [await server.rpc(method, params), await sendMcp2026(server, method, params)];
          expect({ method, letIn: answers.map(isLetIn) }).toEqual({
            method,
            letIn: [allowed[member], allowed[member]],
          });
        }
      }
      for (const method of ['GET', 'DELETE']) {
        const response = await fetch(server.resource, { method, headers: { accept: 'text/event-stream' } });
        await response.body?.cancel();
        expect({ method, letIn: isLetIn(response) }).toEqual({ method, letIn: allowed.connect });
      }
      for (const params of [{ name: 'ping' }, { name: 'no-such-tool' }])
        expect((await server.rpc('tools/call', params)).status).toBe(401);
      expect((await server.rpc('foo/bar', {})).status).toBe(401);
      expect(server.ran).toEqual(allowed.call ? ['help', 'help'] : []);
    },
  );

  it('may send a batch only of what is allowed', async () => {
    await start({ list: true, call: true });
    const batch = async (...methods: string[]): Promise<number> => {
      const messages = methods.map((method, id) => ({ jsonrpc: '2.0', id, method, params: { name: 'help' } }));
      const headers = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];
      return (await sendRaw(server.origin, { path: '/mcp', headers, body: JSON.stringify(messages) })).status;
    };
    expect(await batch('tools/list', 'tools/call')).toBe(200);
    expect(await batch('tools/list', 'ping')).toBe(401);
  });

  it('are told in lists that a public tool needs a token where it does', async () => {
    for (const call of [true, false]) {
      await start({ list: true, call });
      const text = await (await server.rpc('tools/list', {})).text();
      const schemes = call ? '[{"type":"noauth"}]' : '[{"type":"oauth2","scopes":["base"]}]';
      expect(text).toContain(`"securitySchemes":${schemes}`);
      await server.close();
    }
  });

  it('are let in as far as the log says', async () => {
    await start({ connect: true, list: true });
    const log = server.log.join('\n');
    expect(log).toContain('allowAnonymous.connect is on: connections are opened without a token');
    expect(log).toContain('allowAnonymous.list is on: everything that is listed can be seen without a token');
    expect(log).not.toContain('allowAnonymous.call');
  });

  it('may do all of it with true', async () => {
    await start(true);
    for (const [method, params] of MEMBERS.flatMap((member) => REQUESTS[member]))
      expect({ method, letIn: isLetIn(await server.rpc(method, params)) }).toEqual({ method, letIn: true });
  });
});

it.each([
  ['a list', ['list'], ['allowAnonymous', '["list"]', /must be true or false, or an object of connect, list and call/]],
  ['an unknown member', { lists: true }, ['allowAnonymous.lists', 'a value', /no such option/]],
  ['text as a member', { list: 'yes' }, ['allowAnonymous.list', '"yes"', /must be true or false/]],
] as const)('stops the start with %s', async (what, allowAnonymous, expected) => {
  await expectProblems(what, { ...GOOD, allowAnonymous }, expected);
});
