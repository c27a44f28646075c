/** What must hold of an MCP server on version 1 of `@rekog/mcp-nest`, over HTTP on both platforms, and over stdio. */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { ran, startHost, type Host, type Settings } from './host';

interface Answer {
  readonly status: number;
  readonly challenge: Readonly<Record<string, string>> | undefined;
  readonly session: string | null;
  readonly result?: {
    readonly isError?: boolean;
    readonly content?: readonly { readonly text: string }[];
    readonly contents?: readonly { readonly text: string }[];
    readonly messages?: readonly { readonly content: { readonly text: string } }[];
    readonly tools?: readonly { readonly name: string; readonly securitySchemes?: unknown; readonly _meta?: { readonly securitySchemes?: unknown } }[];
    readonly _meta?: { readonly 'mcp/www_authenticate'?: readonly string[] };
  };
  readonly error?: { readonly code: number; readonly message: string };
}

let passed = 0;
let failed = 0;

async function check(name: string, work: () => Promise<void>): Promise<void> {
  ran.length = 0;
  try {
    await work();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.error(`✗ ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

let id = 0;

async function rpc(url: string, method: string, params: object, { token, session }: { token?: string; session?: string } = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }),
    // What the framework cannot write as JSON it never answers.
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.text();
  const challenge = parseChallenges([response.headers.get('www-authenticate') ?? []].flat())[0]?.params;
  const message = (body.startsWith('{') ? JSON.parse(body) : {}) as Pick<Answer, 'result' | 'error'>;
  return { status: response.status, challenge, session: response.headers.get('mcp-session-id'), ...message };
}

function valueOf({ status, result }: Answer): unknown {
  assert.equal(status, 200);
  assert.notEqual(result?.isError, true, JSON.stringify(result));
  return JSON.parse(result?.content?.[0]?.text ?? 'null');
}

async function checkHost(settings: Settings): Promise<void> {
  const host = await startHost(settings);
  const on = `${settings.platform}, ${settings.mode}: `;
  try {
    await checkRoutes(host, settings, on);
    await checkHandlers(host, settings, on);
    if (settings.mode === 'stateful') await checkSessions(host, on);
  } finally {
    await host.close();
  }
}

/** A way to call, in a session of its own where there are sessions. */
async function caller({ issuer, resource }: Host, { mode }: Settings, claims: object) {
  const token = await issuer.mint({ aud: resource, ...claims });
  const session = mode === 'stateful' ? await open(resource, token) : undefined;
  return async (method: string, params: object, url = resource) => rpc(url, method, params, { token, session });
}

async function open(resource: string, token: string): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'checks', version: '1.0.0' } };
  const { session } = await rpc(resource, 'initialize', params, { token });
  assert.ok(session !== null, 'no session was opened');
  return session;
}

const tool = (name: string, args: object = {}) => ['tools/call', { name, arguments: args }] as const;

async function checkRoutes(host: Host, settings: Settings, on: string): Promise<void> {
  const as = (scope: string) => caller(host, settings, { scope });
  const refused = async (scope: string, [method, params]: readonly [string, object], needed: string) => {
    const answer = await (await as(scope))(method, params);
    assert.deepEqual([answer.status, answer.challenge?.error, answer.challenge?.scope], [403, 'insufficient_scope', needed]);
    assert.deepEqual(ran, []);
  };

  await check(`${on}answers 401 with a challenge where no token comes`, async () => {
    const { status, challenge, error } = await rpc(host.resource, ...tool('ping'));
    assert.deepEqual([status, challenge?.error, error?.code], [401, undefined, 401]);
    assert.ok(challenge?.resource_metadata);
    assert.deepEqual(ran, []);
  });
  await check(`${on}decides about a tool before dispatch`, () => refused('a', tool('write'), 'a b'));
  await check(`${on}decides about a tool by its arguments before dispatch`, () => refused('a', tool('by-argument', { scope: 'x' }), 'x'));
  await check(`${on}decides about a tool on a controller before dispatch`, () => refused('b', tool('on-controller'), 'a'));
  await check(`${on}decides about a tool of a request-scoped provider before dispatch`, () => refused('b', tool('per-request'), 'a'));
  await check(`${on}decides about a tool of what a factory made before dispatch`, () => refused('b', tool('made'), 'a'));
  await check(`${on}decides about an inherited tool by its class before dispatch`, () => refused('b', tool('inherited'), 'a'));
  await check(`${on}decides about a tool registered at run time by the options before dispatch`, () => refused('b', tool('dynamic'), 'a'));
  await check(`${on}decides about a resource before dispatch`, () => refused('b', ['resources/read', { uri: 'notes://fixed' }], 'a'));
  await check(`${on}decides about a template before dispatch`, () => refused('a', ['resources/read', { uri: 'notes://by-id/7' }], 'b'));
  await check(`${on}decides by the template where a resource has the same URI, as the framework does`, async () => {
    await refused('a', ['resources/read', { uri: 'notes://by-id/first' }], 'b');
    const { result } = await (await as('b'))('resources/read', { uri: 'notes://by-id/first' });
    assert.equal(result?.contents?.[0]?.text, 'notes://by-id/first');
    assert.deepEqual(ran, ['by-id']);
  });
  await check(`${on}decides about a URI spelled otherwise, which the framework takes for the same`, () =>
    refused('b', ['resources/read', { uri: 'other://FIXED/' }], 'a'));
  await check(`${on}decides about a prompt before dispatch`, () => refused('b', ['prompts/get', { name: 'summary' }], 'a'));
  await check(`${on}advertises what tools need, in place of what the framework says`, async () => {
    const { result } = await (await as('a'))('tools/list', {});
    const write = result?.tools?.find(({ name }) => name === 'write');
    const schemes = [{ type: 'oauth2', scopes: ['a', 'b'] }];
    assert.deepEqual([write?.securitySchemes, write?._meta?.securitySchemes], [schemes, schemes]);
  });
}

async function checkHandlers(host: Host, settings: Settings, on: string): Promise<void> {
  const as = (scope: string) => caller(host, settings, { scope });
  const refusedAtHandler = async (name: string, scope: string | undefined) => {
    const { status, result } = await rpc(host.around, ...tool(name));
    assert.deepEqual([status, result?.isError], [200, true]);
    const [challenge] = parseChallenges(result?._meta?.['mcp/www_authenticate'] ?? []);
    assert.equal(challenge?.params['scope'], scope);
    assert.deepEqual(ran, []);
  };

  await check(`${on}runs what the caller may do`, async () => {
    assert.deepEqual(valueOf(await (await as('a b'))(...tool('write', { text: 'milk' }))), { written: 'milk', subject: 'alice' });
    assert.deepEqual(valueOf(await (await as('x'))(...tool('by-argument', { scope: 'x' }))), 'done');
    assert.deepEqual(valueOf(await (await as(''))(...tool('guarded'))), 'done');
    assert.deepEqual(ran, ['write', 'by-argument', 'guarded']);
  });
  await check(`${on}lets a tool know its caller by the service and by the request`, async () => {
    const expected = { service: 'alice', request: 'alice', scopes: ['a'], user: true };
    assert.deepEqual(valueOf(await (await as('a'))(...tool('who'))), expected);
  });
  await check(`${on}injects the caller where arguments of the client would stand`, async () => {
    const answer = await (await as('a'))(...tool('injected', { subject: 'mallory' }));
    assert.deepEqual(valueOf(answer), { subject: 'alice', scopes: ['a'], request: 'alice' });
  });
  await check(`${on}injects the caller in request-scoped providers, in what factories made, and on controllers`, async () => {
    const call = await as('a');
    assert.deepEqual(valueOf(await call(...tool('per-request'))), { subject: 'alice', request: 'alice' });
    assert.deepEqual(valueOf(await call(...tool('made'))), { subject: 'alice' });
    assert.deepEqual(valueOf(await call(...tool('on-controller'))), { subject: 'alice' });
  });
  await check(`${on}injects the caller in resources and prompts`, async () => {
    const call = await as('a');
    assert.equal((await call('resources/read', { uri: 'notes://fixed' })).result?.contents?.[0]?.text, 'notes://fixed');
    assert.equal((await call('prompts/get', { name: 'summary' })).result?.messages?.[0]?.content.text, 'alice');
    assert.deepEqual(ran, ['fixed for alice', 'summary']);
  });
  await check(`${on}answers 403 to what a tool itself raises`, async () => {
    const { status, challenge, result } = await (await as('a'))(...tool('raising'));
    assert.deepEqual([status, challenge?.error, challenge?.scope], [403, 'insufficient_scope', 'a c']);
    assert.equal(result?.isError, true);
  });
  await check(`${on}refuses at the handler what was taken for something else before`, async () => {
    const { status, challenge, error } = await (await as('b'))('resources/read', { uri: 'notes://userX' });
    assert.deepEqual([status, challenge?.scope], [403, 'a']);
    assert.match(error?.message ?? '', /lacks a scope/);
    assert.deepEqual(ran, []);
    await (await as('a'))('resources/read', { uri: 'notes://userX' });
    assert.deepEqual(ran, ['lenient']);
  });
  await check(`${on}gives the caller to the framework's own scope decorator`, async () => {
    assert.equal((await (await as('a'))(...tool('own-scopes'))).error?.code, -32600);
    assert.deepEqual(valueOf(await (await as('b'))(...tool('own-scopes'))), 'done');
  });
  if (settings.mode === 'stateful') return;
  for (const [name, scope] of [['write', 'a b'], ['per-request', 'a'], ['made', 'a'], ['inherited', 'a'], ['on-controller', 'a'], ['guarded', undefined]] as const) {
    await check(`${on}refuses ${name} where it is reached around the guard`, () => refusedAtHandler(name, scope));
  }
  await check(`${on}refuses resources and prompts where they are reached around the guard`, async () => {
    for (const uri of ['notes://fixed', 'notes://by-id/7']) {
      assert.match((await rpc(host.around, 'resources/read', { uri })).error?.message ?? '', /Authorization is required/);
    }
    assert.match((await rpc(host.around, 'prompts/get', { name: 'summary' })).error?.message ?? '', /Authorization is required/);
    assert.deepEqual(ran, []);
  });
  await check(`${on}runs what declares nothing wherever it is reached, as everywhere`, async () => {
    assert.deepEqual(valueOf(await rpc(host.around, ...tool('ping'))), 'pong');
  });
}

async function checkSessions({ issuer, resource }: Host, on: string): Promise<void> {
  await check(`${on}goes by the token of each request, where the framework goes by that which opened the session`, async () => {
    const reader = await issuer.mint({ aud: resource, scope: 'a' });
    const session = await open(resource, reader);
    assert.equal((await rpc(resource, ...tool('write'), { token: reader, session })).status, 403);
    const writer = await issuer.mint({ aud: resource, scope: 'a b' });
    assert.deepEqual(valueOf(await rpc(resource, ...tool('write'), { token: writer, session })), { written: 'nothing', subject: 'alice' });
    const injected = valueOf(await rpc(resource, ...tool('injected'), { token: writer, session })) as { scopes: string[] };
    assert.deepEqual(injected.scopes, ['a', 'b']);
    const { scopes } = valueOf(await rpc(resource, ...tool('who'), { token: writer, session })) as { scopes: string[] };
    // The request that tools get as third argument is still the one which opened the session.
    assert.deepEqual(scopes, ['a']);
  });
  await check(`${on}does not take a later token with less for the one that opened the session`, async () => {
    const writer = await issuer.mint({ aud: resource, scope: 'a b' });
    const session = await open(resource, writer);
    const reader = await issuer.mint({ aud: resource, scope: 'b' });
    const { status, challenge } = await rpc(resource, 'resources/read', { uri: 'notes://userX' }, { token: reader, session });
    assert.deepEqual([status, challenge?.scope], [403, 'a']);
    assert.deepEqual(ran, []);
  });
  await check(`${on}does not serve the session of somebody else`, async () => {
    const session = await open(resource, await issuer.mint({ aud: resource, scope: 'a' }));
    const token = await issuer.mint({ aud: resource, sub: 'bob', scope: 'a' });
    assert.equal((await rpc(resource, ...tool('ping'), { token, session })).status, 404);
    assert.deepEqual(ran, []);
  });
}

/** What a child process answers to a call of a tool over stdio. */
async function overStdio(stdio: 'deny' | 'trust', name: string): Promise<Answer> {
  const child = spawn(process.execPath, [join(__dirname, 'stdio.js')], { env: { ...process.env, STDIO: stdio }, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const ask = async (message: object): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const [line] = (await once(lines, 'line')) as [string];
    return JSON.parse(line) as Answer;
  };
  try {
    const clientInfo = { name: 'checks', version: '1.0.0' };
    await ask({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
    return await ask({ id: 2, method: 'tools/call', params: { name, arguments: {} } });
  } finally {
    child.kill();
  }
}

async function main(): Promise<void> {
  for (const platform of ['express', 'fastify'] as const) {
    for (const mode of ['stateless', 'stateful'] as const) await checkHost({ platform, mode });
  }
  await check('stdio: refuses what requires something, unless told otherwise', async () => {
    const { result } = await overStdio('deny', 'write');
    assert.equal(result?.isError, true);
    assert.match(result?.content?.[0]?.text ?? '', /Authorization is required/);
  });
  await check('stdio: runs what requires something for whoever started the process, if told so', async () => {
    assert.deepEqual(valueOf({ ...(await overStdio('trust', 'write')), status: 200 }), { written: 'nothing' });
  });
  await check('stdio: runs what requires nothing', async () => {
    assert.deepEqual(valueOf({ ...(await overStdio('deny', 'ping')), status: 200 }), 'pong');
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
