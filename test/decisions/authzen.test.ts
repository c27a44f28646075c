import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Payload } from '@nestjs/microservices';
import { McpController, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { Authorize, authzen, McpAuthConfigError, type AuthzenOptions } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { expectNoTrace, expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';
import { answering, PERMIT, startDecisionPoint, type DecisionPoint } from './decision-point.js';

// OpenID AuthZEN Authorization API 1.0: a policy that asks a decision point, here one of the test.

let point: DecisionPoint;
beforeAll(async () => {
  point = await startDecisionPoint();
});
afterAll(() => point.close());
beforeEach(() => {
  point.asked.length = 0;
  point.answer = PERMIT;
});

/** Asks the decision point of the test, whose address is known only when it has started. */
const late = (options: Omit<AuthzenOptions, 'url'> = {}): ReturnType<typeof authzen> => {
  let policy: ReturnType<typeof authzen> | undefined;
  return (context) => (policy ??= authzen({ url: point.url, ...options }))(context);
};

@McpController()
class Asking {
  @Tool({ name: 'share', description: 'Shares', parameters: z.object({ to: z.string().trim() }) })
  @Authorize(late({ sendArguments: true, headers: () => ({ Authorization: 'Basic c2VydmVy' }) }))
  share(): object {
    return { content: [] };
  }

  @ResourceTemplate({ uriTemplate: 'folder://{id}', name: 'folder' })
  @Authorize(
    late({
      subject: ({ auth }) => ({ type: 'employee', id: `${auth.issuer}#${auth.subject}`, properties: { vip: true } }),
    }),
  )
  read(@Payload() { id }: { id: string }): object {
    return { contents: [{ uri: 'folder://', text: id }] };
  }
}

describe.each(PLATFORMS)('what a decision point is asked, on %s', (platform) => {
  let server: NotesServer;
  let plain: NotesServer;
  beforeAll(async () => {
    const settings = { issuer: { alg: 'ES256' }, controllers: [Asking] } as const;
    server = await startNotesServer(platform, { ...settings, options: { id: 'notes', authorize: late() } });
    plain = await startNotesServer(platform, settings);
  });
  afterAll(() => Promise.all([server.close(), plain.close()]));
  beforeEach(() => {
    resetRecorded(server);
    resetRecorded(plain);
  });

  const bodies = (): unknown[] => point.asked.map(({ body }) => body);

  it('is about principal, method and tool, and nothing else', async () => {
    const token = await server.mint({ sub: 'alice', scope: 'a', auth_time: 1, email: 'alice@example.com' });
    await expectServed(server, await server.callTool('read-note', token, { secret: 'argument' }), 'read-note');
    const body = {
      subject: { type: 'user', id: expect.stringMatching(/^[\w-]{43}$/) },
      action: { name: 'tools/call' },
      resource: { type: 'tool', id: 'read-note' },
      context: { resource: 'notes' },
    };
    // Before dispatch, and at the handler.
    expect(bodies()).toEqual([body, body]);
    for (const { method, path, headers, text } of point.asked) {
      expect([method, path]).toEqual(['POST', '/access/v1/evaluation']);
      expect(headers).toMatchObject({ 'content-type': 'application/json', accept: 'application/json' });
      expectNoTrace(token, { text, headers: JSON.stringify(headers) });
      expect(text).not.toMatch(/alice|example\.com|argument/);
    }
  });

  it('is about messages and routes, too', async () => {
    const headers = { authorization: `Bearer ${await server.mint({ sub: 'c', client_id: 'c' })}` };
    expect((await server.rpc('tools/list', {}, headers)).status).toBe(200);
    expect((await fetch(`${server.origin}/plain?q=secret`, { headers })).status).toBe(200);
    expect(bodies()).toMatchObject([
      { subject: { type: 'client' }, action: { name: 'tools/list' }, resource: { type: 'mcp-server', id: 'notes' } },
      { action: { name: 'GET' }, resource: { type: 'route', id: '/plain' }, context: { resource: 'notes' } },
    ]);
  });

  it('has arguments and header fields only if the options say so', async () => {
    expect((await plain.callTool('share', await plain.mint(), { to: ' bob ' })).status).toBe(200);
    expect(bodies()).toMatchObject([
      { context: { arguments: { to: ' bob ' } } },
      { context: { arguments: { to: 'bob' } } },
    ]);
    expect(point.asked.map(({ headers }) => headers.authorization)).toEqual(['Basic c2VydmVy', 'Basic c2VydmVy']);
  });

  it('has the subject that the options choose, and the template of a resource', async () => {
    const token = await plain.mint({ sub: 'alice' });
    const authorization = { authorization: `Bearer ${token}` };
    expect((await plain.rpc('resources/read', { uri: 'folder://7' }, authorization)).status).toBe(200);
    expect(bodies()[0]).toEqual({
      subject: { type: 'employee', id: `${plain.issuer.issuer}#alice`, properties: { vip: true } },
      action: { name: 'resources/read' },
      resource: { type: 'resource-template', id: 'folder://{id}' },
      context: { resource: plain.resource },
    });
  });
});

describe.each(PLATFORMS)('what a decision point answers, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    const authorize = late({ timeoutMs: 300 });
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options: { authorize } });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const ping = async (): Promise<Response> => server.callTool('ping', await server.mint());

  it('decides', async () => {
    point.answer = answering('{"decision":true,"context":{"id":"1"}}');
    await expectServed(server, await ping(), 'ping');
    resetRecorded(server);
    point.answer = answering('{"decision":false}');
    const { text } = await expectRefusal(server, await ping(), { status: 403 });
    expect(text).toContain('The caller is not permitted to do this.');
    expectReason(server, 'policy_denied');
  });

  it.each([
    [{ reason_admin: { en: 'policy C07 failed' }, reason_user: { 'en-403': 'Ask your manager.', 'de-403': 'Nein.' } }],
    [{ reason: 'policy C07 failed', reason_user: 'Ask your manager.' }],
  ])('says why to the log and to the user: %j', async (context) => {
    point.answer = answering(JSON.stringify({ decision: false, context }));
    const { text } = await expectRefusal(server, await ping(), { status: 403 });
    expect(text).toContain('"message":"Ask your manager."');
    expect(text).not.toContain('C07');
    expect(server.log.join('\n')).toContain('reason is "policy C07 failed"');
  });

  it.each([[{ reason_user: 7 }], [{ reason_user: ['x'], reason_admin: { en: {} } }], [7], [['a']], [null]])(
    'refuses all the same with a context that says nothing: %j',
    async (context) => {
      point.answer = answering(JSON.stringify({ decision: false, context }));
      await expectRefusal(server, await ping(), { status: 403 });
    },
  );

  it.each<[string, DecisionPoint['answer'], RegExp?]>([
    ['an error', answering('{"decision":true}', 500), /status 500/],
    ['that it refuses this server', answering('{"decision":true}', 401), /status 401/],
    ['another success', answering('{"decision":true}', 201), /status 201/],
    ['nothing', answering('', 204), /status 204/],
    ['a redirect', answering('{"decision":true}', 302, { location: '/elsewhere' }), /redirects are not followed/],
    ['text', answering('decision: true'), /not JSON/],
    ['no text at all', answering(''), /not JSON/],
    ['half of it', answering('{"decision":tr'), /not JSON/],
    ['another type', answering('{"decision":true}', 200, { 'content-type': 'text/html' }), /content type/],
    ['a list', answering('[{"decision":true}]'), /no JSON object/],
    ['a list of evaluations', answering('{"evaluations":[{"decision":true}]}'), /not true or false/],
    ['no decision', answering('{}'), /not true or false/],
    ['an inherited decision', answering('{"__proto__":{"decision":true}}'), /not true or false/],
    ['a decision in words', answering('{"decision":"true"}'), /not true or false/],
    ['a number', answering('{"decision":1}'), /not true or false/],
    ['null', answering('{"decision":null}'), /not true or false/],
    ['an object', answering('{"decision":{"value":true}}'), /not true or false/],
    ['what is not UTF-8', answering(Buffer.from([0x7b, 0xff, 0x7d])), /not UTF-8/],
    ['too much', answering(`{"decision":true,"x":"${'x'.repeat(70_000)}"}`), /longer than 65536/],
    ['nothing in time', () => undefined, /no answer within 300 ms/],
    [
      'only the beginning in time',
      (response) => void response.writeHead(200, JSON_TYPE).write('{"decision":'),
      /in time/,
    ],
    ['a broken connection', (response) => void response.destroy(), /no answer/],
  ])('refuses with 503 where it answers %s', async (_what, answer, line) => {
    point.answer = answer;
    const token = await server.mint();
    const response = await server.callTool('ping', token);
    const { text, header } = await expectRefusal(server, response, { status: 503, token });
    expect(header('retry-after')).toBe('5');
    expect(text).toContain('It cannot be decided at the moment whether the caller is permitted to do this.');
    expectReason(server, 'policy_unavailable');
    if (line) expect(server.log.join('\n')).toMatch(line);
    expect(point.asked).toHaveLength(1);
  });

  it.each([
    ['7', '7'],
    ['0', '1'],
    ['99999', '300'],
    ['soon', '5'],
  ])('passes on Retry-After: %s as %s', async (sent, expected) => {
    point.answer = answering('{}', 503, { 'retry-after': sent });
    const { header } = await expectRefusal(server, await ping(), { status: 503 });
    expect(header('retry-after')).toBe(expected);
  });
});

describe.each(PLATFORMS)('a function of the application that fails, on %s', (platform) => {
  const refusedWith = async (options: Partial<AuthzenOptions>): Promise<string> => {
    const authorize = authzen({ url: point.url, timeoutMs: 300, ...options });
    const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options: { authorize } });
    try {
      const token = await server.mint();
      await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
      return server.log.join('\n');
    } finally {
      await server.close();
    }
  };

  it.each<[string, Partial<AuthzenOptions>]>([
    ['fetch throws', { fetch: () => Promise.reject(new TypeError('proxy is down')) }],
    ['fetch returns no response', { fetch: (async () => ({ decision: true })) as unknown as typeof fetch }],
    [
      'fetch follows a redirect',
      { fetch: async () => Object.defineProperty(Response.json({ decision: true }), 'redirected', { value: true }) },
    ],
    ['fetch never ends', { fetch: () => new Promise(() => undefined) }],
    [
      'headers throws',
      {
        headers: () => {
          throw new Error('no secret');
        },
      },
    ],
    ['headers returns text', { headers: (() => 'Bearer x') as never }],
    ['headers returns what HTTP does not allow', { headers: () => ({ 'x y': 'z' }) }],
    [
      'subject throws',
      {
        subject: () => {
          throw new Error('no such user');
        },
      },
    ],
    ['subject returns no text', { subject: () => ({ id: '' }) }],
    ['subject returns what is no JSON', { subject: () => ({ properties: { big: 1n } }) }],
  ])('refuses with 503: %s', async (_what, options) => {
    expect(await refusedWith(options)).toContain('a policy of the application could not decide');
  });

  it('never logs header fields, even wrong ones', async () => {
    expect(await refusedWith({ headers: () => ({ authorization: 'Bearer sec\nret-1' }) })).not.toContain('ret-1');
  });
});

const JSON_TYPE = { 'content-type': 'application/json' };
const URL_OF_PDP = 'https://pdp.example.com/access/v1/evaluation';

it.each<[string, object | undefined, string, RegExp]>([
  ['nothing', undefined, 'authzen().url', /absolute URL/],
  ['no URL', { url: '/access' }, 'authzen().url', /absolute URL/],
  ['plain http', { url: 'http://pdp.internal/x' }, 'authzen().url', /plain http/],
  ['credentials in the URL', { url: 'https://a:b@pdp.example.com/x' }, 'authzen().url', /user name or password/],
  ['a secret in the query', { url: `${URL_OF_PDP}?code=1` }, 'authzen().url', /would stand in the log/],
  ['a time of nothing', { url: URL_OF_PDP, timeoutMs: 0 }, 'authzen().timeoutMs', /from 1 to 60000/],
  ['header fields as text', { url: URL_OF_PDP, headers: 'x: y' }, 'authzen().headers', /object of header fields/],
  ['an unknown option', { url: URL_OF_PDP, token: 'x' }, 'authzen().token', /no such option/],
])('refuses %s at once', (_what, options, option, why) => {
  expect(() => authzen(options as AuthzenOptions)).toThrow(McpAuthConfigError);
  expect(() => authzen(options as AuthzenOptions)).toThrow(why);
  expect(() => authzen(options as AuthzenOptions)).toThrow(option);
});

it('accepts plain http in a private network if it is told to', () => {
  expect(authzen({ url: 'http://pdp.internal/access/v1/evaluation', allowInsecureHttp: true })).toEqual(
    expect.any(Function),
  );
});
