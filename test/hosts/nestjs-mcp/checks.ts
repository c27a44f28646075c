/** What must hold of an MCP server on `@nestjs-mcp/server`, which runs on Express and with sessions only. */
import { strict as assert } from 'node:assert';
import { checkAround, checkAtHandlers, checkBeforeDispatch, checkSessions, refused } from './common';
import { startHost } from './host';
import { caller, check, finish, tool, valueOf, type Host } from './rpc';

async function checkHost(isFirst: boolean): Promise<void> {
  const transports = { streamable: { enabled: true, options: { enableJsonResponse: true } }, sse: { enabled: false } };
  const host = await startHost(isFirst, transports);
  const on = isFirst ? 'imported before the framework: ' : 'imported after the framework: ';
  try {
    await checkBeforeDispatch(host, on);
    await checkAtHandlers(host, on);
    await checkOwn(host, on);
    await checkSessions(host, on);
    const around = [
      ['write', 'a b'],
      ['below', 'a'],
      ['never', undefined],
      ['per-request', 'a'],
      ['made', 'a'],
      ['inherited', 'a'],
      ['guarded', undefined],
    ] as const;
    await checkAround(host, on, around);
  } finally {
    await host.close();
  }
}

async function checkOwn(host: Host, on: string): Promise<void> {
  const { ran } = host;
  const as = (scope: string) => caller(host, { scope });
  await check(ran, `${on}decides about a tool whose framework stands below`, () =>
    refused(host, 'b', tool('below'), 'a'),
  );
  await check(ran, `${on}LIB-20: refuses for good what a policy refuses, before dispatch`, async () => {
    assert.equal((await (await as('a b'))(...tool('never'))).status, 403);
    assert.deepEqual(ran, []);
  });
  await check(ran, `${on}lets a tool know its caller by the service and by the SDK`, async () => {
    assert.deepEqual(valueOf(await (await as('a'))(...tool('who'))), {
      service: 'alice',
      extra: 'alice',
      scopes: ['a'],
    });
  });
  await check(ran, `${on}MCP-25-ELIC-01: gives the link for a consent as text, or as error of the SDK`, async () => {
    const call = await as('a');
    const { result } = await call(...tool('consent'));
    assert.equal(result?.isError, true);
    assert.match(
      result?.content?.[0]?.text ?? '',
      /Open https:\/\/mcp\.example\.com\/connect\?consent=[\w-]+ in a browser/,
    );
    const { error } = await call(...tool('consent-by-hand'));
    assert.equal(error?.code, -32042);
  });
  await check(
    ran,
    `${on}injects the caller where arguments of the client would stand, and where the SDK puts its own`,
    async () => {
      const call = await as('a');
      assert.deepEqual(valueOf(await call(...tool('injected', { subject: 'mallory' }))), {
        subject: 'alice',
        scopes: ['a'],
      });
      assert.deepEqual(valueOf(await call(...tool('below'))), { subject: 'alice' });
      assert.deepEqual(valueOf(await call(...tool('per-request'))), { subject: 'alice' });
    },
  );
  await check(
    ran,
    `${on}decides by the resource of that very URI where a template matches it too, as the SDK does`,
    async () => {
      const { result } = await (await as('a'))('resources/read', { uri: 'notes://by-id/first' });
      assert.equal(result?.contents?.[0]?.text, 'notes://by-id/first');
      assert.deepEqual(ran, ['first']);
    },
  );
  await check(ran, `${on}tells policies the variables of a template`, async () => {
    const call = await as('');
    assert.equal((await call('resources/read', { uri: 'notes://of/bob' })).status, 403);
    assert.deepEqual(ran, []);
    await call('resources/read', { uri: 'notes://of/alice' });
    assert.deepEqual(ran, ['of-owner']);
  });
  await check(ran, `${on}leaves the guards of the framework's own decorator to run as well`, async () => {
    const call = await as('a');
    assert.equal((await call(...tool('own-guard', { name: 'stranger' }))).result?.isError, true);
    assert.deepEqual(ran.splice(0), ['own guard of stranger']);
    assert.deepEqual(valueOf(await call(...tool('own-guard', { name: 'friend' }))), 'friend');
    assert.deepEqual(ran, ['own guard of friend', 'own-guard']);
  });
}

async function main(): Promise<void> {
  for (const isFirst of [true, false]) await checkHost(isFirst);
}

void finish(main());
