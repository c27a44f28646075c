/** What must hold of an MCP server on version 1 of `@rekog/mcp-nest`, over HTTP on both platforms, and over stdio. */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { checkAround, checkAtHandlers, checkBeforeDispatch, checkSessions, refused } from './common';
import { ran, startHost, type Settings } from './host';
import { caller, check as checkThat, finish, open, rpc, tool, valueOf, type Answer, type Host } from './rpc';

const check = (name: string, work: () => Promise<void>): Promise<void> => checkThat(ran, name, work);

async function checkHost(settings: Settings): Promise<void> {
  const host = await startHost(settings);
  const on = `${settings.platform}, ${settings.mode}: `;
  try {
    await checkBeforeDispatch(host, on);
    await checkRoutes(host, on);
    await checkAtHandlers(host, on);
    await checkHandlers(host, on);
    if (host.hasSessions) {
      await checkSessions(host, on);
      await checkOwnSessions(host, on);
    } else {
      const around = [
        ['write', 'a b'],
        ['per-request', 'a'],
        ['made', 'a'],
        ['inherited', 'a'],
        ['on-controller', 'a'],
        ['guarded', undefined],
      ] as const;
      await checkAround(host, on, around);
    }
  } finally {
    await host.close();
  }
}

async function checkRoutes(host: Host, on: string): Promise<void> {
  await check(`${on}decides about a tool on a controller before dispatch`, () =>
    refused(host, 'b', tool('on-controller'), 'a'),
  );
  await check(`${on}decides about a tool registered at run time by the options before dispatch`, () =>
    refused(host, 'b', tool('dynamic'), 'a'),
  );
  await check(`${on}decides by the template where a resource has the same URI, as the framework does`, async () => {
    await refused(host, 'a', ['resources/read', { uri: 'notes://by-id/first' }], 'b');
    const { result } = await (await caller(host, { scope: 'b' }))('resources/read', { uri: 'notes://by-id/first' });
    assert.equal(result?.contents?.[0]?.text, 'notes://by-id/first');
    assert.deepEqual(ran, ['by-id']);
  });
  await check(`${on}advertises what tools need in place of what the framework says`, async () => {
    const { result } = await (await caller(host, { scope: 'a' }))('tools/list', {});
    const write = result?.tools?.find(({ name }) => name === 'write');
    assert.deepEqual(write?.securitySchemes, [{ type: 'oauth2', scopes: ['a', 'b'] }]);
  });
  await check(`${on}decides about a URI spelled otherwise, which the framework takes for the same`, () =>
    refused(host, 'b', ['resources/read', { uri: 'other://FIXED/' }], 'a'),
  );
}

async function checkHandlers(host: Host, on: string): Promise<void> {
  const as = (scope: string) => caller(host, { scope });
  await check(`${on}lets a tool know its caller by the service and by the request`, async () => {
    const expected = { service: 'alice', request: 'alice', scopes: ['a'], user: true };
    assert.deepEqual(valueOf(await (await as('a'))(...tool('who'))), expected);
  });
  await check(`${on}injects the caller where arguments of the client would stand`, async () => {
    const answer = await (await as('a'))(...tool('injected', { subject: 'mallory' }));
    assert.deepEqual(valueOf(answer), { subject: 'alice', scopes: ['a'], request: 'alice' });
  });
  await check(`${on}injects the caller in request-scoped providers, and on controllers`, async () => {
    const call = await as('a');
    assert.deepEqual(valueOf(await call(...tool('per-request'))), { subject: 'alice', request: 'alice' });
    assert.deepEqual(valueOf(await call(...tool('on-controller'))), { subject: 'alice' });
  });
  await check(`${on}refuses at the handler what was taken for something else before`, async () => {
    const { status, challenge, error } = await (await as('b'))('resources/read', { uri: 'notes://userX' });
    assert.deepEqual([status, challenge?.scope], [403, 'a']);
    assert.match(error?.message ?? '', /lacks a scope/);
    assert.deepEqual(ran, []);
    await (
      await as('a')
    )('resources/read', { uri: 'notes://userX' });
    assert.deepEqual(ran, ['lenient']);
  });
  await check(`${on}gives the caller to the framework's own scope decorator`, async () => {
    assert.equal((await (await as('a'))(...tool('own-scopes'))).error?.code, -32600);
    assert.deepEqual(valueOf(await (await as('b'))(...tool('own-scopes'))), 'done');
  });
}

async function checkOwnSessions(host: Host, on: string): Promise<void> {
  const { issuer, resource } = host;
  await check(`${on}hands tools the request that opened the session, not that of the call`, async () => {
    const session = await open(host, await issuer.mint({ aud: resource, scope: 'a' }));
    const token = await issuer.mint({ aud: resource, scope: 'a b' });
    const { scopes } = valueOf(await rpc(resource, ...tool('who'), { token, session })) as { scopes: string[] };
    assert.deepEqual(scopes, ['a']);
  });
  await check(`${on}does not take a later token with less for the one that opened the session`, async () => {
    const session = await open(host, await issuer.mint({ aud: resource, scope: 'a b' }));
    const token = await issuer.mint({ aud: resource, scope: 'b' });
    const { status, challenge } = await rpc(resource, 'resources/read', { uri: 'notes://userX' }, { token, session });
    assert.deepEqual([status, challenge?.scope], [403, 'a']);
    assert.deepEqual(ran, []);
  });
}

/** What a child process answers to a call of a tool over stdio. */
async function overStdio(stdio: 'deny' | 'trust', name: string): Promise<Answer> {
  const child = spawn(process.execPath, [join(__dirname, 'stdio.js')], {
    env: { ...process.env, STDIO: stdio },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
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
}

void finish(main());
