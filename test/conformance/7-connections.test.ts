import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { resetRecorded, messagesOf } from '../support/expectations.js';
import { MCP_2026_META, mcp2026Headers } from '../support/mcp-2026.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

const WHOAMI = { name: 'whoami', arguments: {} };
const ERAS = [
  { era: '2025-11-25', headers: { 'mcp-protocol-version': '2025-11-25' }, params: WHOAMI },
  { era: '2026-07-28', headers: mcp2026Headers('tools/call', 'whoami'), params: { ...WHOAMI, _meta: MCP_2026_META } },
];

/** Whom the answers name, or their status. */
const NAMES = ['alice', 'alice', '401', 'bob', 'bob', '401', '401', 'alice', 'alice'];

describe.each(PLATFORMS)('7. One connection for several callers, on %s', (platform) => {
  let server: NotesServer;
  let callers: (string | undefined)[];
  beforeAll(async () => {
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
    const [alice, bob] = [await server.mint({ sub: 'alice' }), await server.mint({ sub: 'bob' })];
    callers = [
      alice,
      alice,
      undefined,
      bob,
      bob,
      'no.good.token',
      `${bob}x`,
      await server.mint({ sub: 'alice' }),
      alice,
    ];
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  /** Whom the answer names, or its status. */
  const whoIn = (status: number, body: string): string => {
    if (status !== 200) return String(status);
    const [message] = messagesOf(body) as [{ result: { content: [{ text: string }] } }];
    return (JSON.parse(message.result.content[0].text) as { subject: string }).subject;
  };

  describe.each(ERAS)('with requests of $era', ({ headers, params }) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
    const headersFor = (token: string | undefined): Record<string, string> => ({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      accept: 'application/json, text/event-stream',
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    });

    /** Sends the requests one after the other on one connection. */
    const askInTurn = async (tokens: readonly (string | undefined)[]): Promise<string[]> => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const sockets = new Set<unknown>();
      const ask = (token: string | undefined): Promise<string> =>
        new Promise((resolve, reject) => {
          const sent = request(server.resource, { method: 'POST', agent, headers: headersFor(token) }, (response) => {
            sockets.add(response.socket);
            let text = '';
            response.on('data', (chunk: Buffer) => (text += chunk.toString()));
            response.on('end', () => resolve(whoIn(response.statusCode ?? 0, text)));
          });
          sent.on('error', reject);
          sent.end(body);
        });
      const who: string[] = [];
      for (const token of tokens) {
        who.push(await ask(token));
        server.clock.now += 1_000;
      }
      agent.destroy();
      expect(sockets.size).toBe(1);
      return who;
    };

    it('MCP-26-CONN-01: carries no identity from one request of it to the next', async () => {
      expect(await askInTurn(callers)).toEqual(NAMES);
    });

    it('MCP-26-RS-05: refuses a token that expires while it is repeated', async () => {
      const exp = Math.floor(server.clock.now / 1000) + 12;
      const token = await server.mint({ sub: 'alice', exp });
      const who = await askInTurn(Array<string>(30).fill(token));
      expect([who[0], who.at(-1)]).toEqual(['alice', '401']);
    });

    it('MCP-26-CONN-01: carries none where the requests come before the answers', async () => {
      const { port, pathname } = new URL(server.resource);
      const socket = connect(Number(port), '127.0.0.1');
      const requests = callers.map((token, index) => {
        const fields = {
          host: `127.0.0.1:${port}`,
          ...headersFor(token),
          ...(index === callers.length - 1 && { connection: 'close' }),
        };
        const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
        return `POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
      });
      socket.write(requests.join(''));
      let text = '';
      for await (const chunk of socket) text += (chunk as Buffer).toString();
      const answers = text.split(/(?=HTTP\/1\.1 \d)/).map((answer) => {
        const status = answer.slice('HTTP/1.1 '.length, 12);
        return status === '200' ? (/\\?"subject\\?":\s*\\?"(\w+)/.exec(answer)?.[1] ?? answer) : status;
      });
      expect(answers).toEqual(NAMES);
    });
  });
});
