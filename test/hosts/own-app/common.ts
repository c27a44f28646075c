/** What must hold of every MCP framework that calls handlers as plain methods. */
import { strict as assert } from 'node:assert';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { callAround, caller, check, open, rpc, tool, valueOf, type Call, type Host } from './rpc';

/** Asserts that a caller with this scope is refused before the framework sees the request, and is told what it needs. */
export async function refused(host: Host, scope: string, call: Call, needed: string): Promise<void> {
  const answer = await (await caller(host, { scope }))(...call);
  assert.deepEqual(
    [answer.status, answer.challenge?.error, answer.challenge?.scope],
    [403, 'insufficient_scope', needed],
  );
  assert.deepEqual(host.ran, []);
}

export async function checkBeforeDispatch(host: Host, on: string): Promise<void> {
  const { ran } = host;
  await check(ran, `${on}answers 401 with a challenge where no token comes`, async () => {
    const { status, challenge, error } = await rpc(host.resource, ...tool('ping'));
    assert.deepEqual([status, challenge?.error, error?.code], [401, undefined, 401]);
    assert.ok(challenge?.resource_metadata);
    assert.deepEqual(ran, []);
  });
  const cases: readonly (readonly [what: string, scope: string, call: Call, needed: string])[] = [
    ['a tool', 'a', tool('write'), 'a b'],
    ['a tool by its arguments', 'a', tool('by-argument', { scope: 'x' }), 'x'],
    ['a tool of a request-scoped provider', 'b', tool('per-request'), 'a'],
    ['a tool of what a factory made', 'b', tool('made'), 'a'],
    ['an inherited tool by its class', 'b', tool('inherited'), 'a'],
    ['a resource', 'b', ['resources/read', { uri: 'notes://fixed' }], 'a'],
    ['a template', 'a', ['resources/read', { uri: 'notes://by-id/7' }], 'b'],
    ['a prompt', 'b', ['prompts/get', { name: 'summary' }], 'a'],
  ];
  for (const [what, scope, call, needed] of cases) {
    await check(ran, `${on}LIB-20: decides about ${what} before dispatch`, () => refused(host, scope, call, needed));
  }
  await check(ran, `${on}advertises what tools need`, async () => {
    const { result } = await (await caller(host, { scope: 'a' }))('tools/list', {});
    const write = result?.tools?.find(({ name }) => name === 'write');
    assert.deepEqual(write?._meta?.securitySchemes, [{ type: 'oauth2', scopes: ['a', 'b'] }]);
  });
}

export async function checkAtHandlers(host: Host, on: string): Promise<void> {
  const { ran } = host;
  const as = (scope: string) => caller(host, { scope });

  await check(ran, `${on}runs what the caller may do`, async () => {
    assert.deepEqual(valueOf(await (await as('a b'))(...tool('write', { text: 'milk' }))), {
      written: 'milk',
      subject: 'alice',
    });
    assert.deepEqual(valueOf(await (await as('x'))(...tool('by-argument', { scope: 'x' }))), 'done');
    assert.deepEqual(valueOf(await (await as(''))(...tool('guarded'))), 'done');
    assert.deepEqual(ran, ['write', 'by-argument', 'guarded']);
  });
  await check(ran, `${on}injects the caller in what factories made`, async () => {
    assert.deepEqual(valueOf(await (await as('a'))(...tool('made'))), { subject: 'alice' });
  });
  await check(ran, `${on}injects the caller in resources and prompts`, async () => {
    const call = await as('a');
    assert.equal((await call('resources/read', { uri: 'notes://fixed' })).result?.contents?.[0]?.text, 'notes://fixed');
    assert.equal((await call('prompts/get', { name: 'summary' })).result?.messages?.[0]?.content.text, 'alice');
    assert.deepEqual(ran, ['fixed for alice', 'summary']);
  });
  await check(ran, `${on}answers 403 to what a tool itself raises`, async () => {
    const { status, challenge, result } = await (await as('a'))(...tool('raising'));
    assert.deepEqual([status, challenge?.error, challenge?.scope], [403, 'insufficient_scope', 'a c']);
    assert.equal(result?.isError, true);
  });
}

/** At the handler alone, since no guard leads to it. */
export async function checkAround(
  host: Host,
  on: string,
  tools: readonly (readonly [name: string, scope: string | undefined])[],
): Promise<void> {
  const { ran } = host;
  for (const [name, scope] of tools) {
    await check(ran, `${on}LIB-20: refuses ${name} where it is reached around the guard`, async () => {
      const { status, result } = await callAround(host, ...tool(name));
      assert.deepEqual([status, result?.isError], [200, true]);
      const [challenge] = parseChallenges(result?._meta?.['mcp/www_authenticate'] ?? []);
      assert.ok(challenge);
      assert.equal(challenge.params['scope'], scope);
      assert.deepEqual(ran, []);
    });
  }
  await check(ran, `${on}LIB-20: refuses resources and prompts where they are reached around the guard`, async () => {
    for (const uri of ['notes://fixed', 'notes://by-id/7']) {
      assert.match(
        (await callAround(host, 'resources/read', { uri })).error?.message ?? '',
        /Authorization is required/,
      );
    }
    assert.match(
      (await callAround(host, 'prompts/get', { name: 'summary' })).error?.message ?? '',
      /Authorization is required/,
    );
    assert.deepEqual(ran, []);
  });
  await check(ran, `${on}runs what declares nothing wherever it is reached, as everywhere`, async () => {
    assert.deepEqual(valueOf(await callAround(host, ...tool('ping'))), 'pong');
  });
}

export async function checkSessions(host: Host, on: string): Promise<void> {
  const { issuer, resource, ran } = host;
  await check(
    ran,
    `${on}goes by the token of each request, where the framework goes by that which opened the session`,
    async () => {
      const reader = await issuer.mint({ aud: resource, scope: 'a' });
      const session = await open(host, reader);
      assert.equal((await rpc(resource, ...tool('write'), { token: reader, session })).status, 403);
      const writer = await issuer.mint({ aud: resource, scope: 'a b' });
      assert.deepEqual(valueOf(await rpc(resource, ...tool('write'), { token: writer, session })), {
        written: 'nothing',
        subject: 'alice',
      });
      const injected = valueOf(await rpc(resource, ...tool('injected'), { token: writer, session })) as {
        scopes: string[];
      };
      assert.deepEqual(injected.scopes, ['a', 'b']);
    },
  );
  await check(ran, `${on}LIB-23: does not serve the session of somebody else`, async () => {
    const session = await open(host, await issuer.mint({ aud: resource, scope: 'a' }));
    const token = await issuer.mint({ aud: resource, sub: 'bob', scope: 'a' });
    assert.equal((await rpc(resource, ...tool('ping'), { token, session })).status, 404);
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${token}`, 'mcp-session-id': session, accept: 'text/event-stream' };
      assert.equal((await fetch(resource, { method, headers })).status, 404);
    }
    assert.deepEqual(ran, []);
  });
}
