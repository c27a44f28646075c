import assert from 'node:assert/strict';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { createApp, freePort } from './app';

/** Starts the notes server with an issuer in this process, runs all checks, and ends. */
async function main(): Promise<void> {
  const port = await freePort();
  const resource = `http://127.0.0.1:${port}/mcp`;
  const issuer = await TestIssuer.start({ audience: resource });
  const app = await createApp(resource, issuer.issuer);
  await app.listen(port, '127.0.0.1');

  await step('A request without a token is refused, and the answer says where to get one', async () => {
    const { status, challenge } = await send(resource, INITIALIZE);
    assert.equal(status, 401);
    const metadataUrl = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
    assert.deepEqual(challenge, { scope: 'notes:read', resource_metadata: metadataUrl });
    const metadata = (await (await fetch(metadataUrl)).json()) as { authorization_servers: string[] };
    assert.deepEqual(metadata.authorization_servers, [issuer.issuer]);
  });

  const reader = await issuer.mint({ sub: 'alice', scope: 'notes:read' });
  const { session } = await send(resource, INITIALIZE, { token: reader });
  const call = (token: string, name: string, args: object = {}) =>
    send(
      resource,
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name, arguments: args } },
      { token, session },
    );

  await step('With notes:read, tools know their caller', async () => {
    const expected = { subject: 'alice', client: 'test-client', scopes: ['notes:read'] };
    assert.deepEqual((await call(reader, 'whoami')).value, expected);
    assert.deepEqual((await call(reader, 'list-notes')).value, { notes: [] });
  });

  await step(
    'add-note is refused before it runs, naming every scope that it needs; with these it succeeds',
    async () => {
      const { status, challenge } = await call(reader, 'add-note', { text: 'Buy milk' });
      assert.deepEqual(
        [status, challenge?.error, challenge?.scope],
        [403, 'insufficient_scope', 'notes:read notes:write'],
      );
      assert.deepEqual((await call(reader, 'list-notes')).value, { notes: [] });
      const steppedUp = await issuer.mint({ sub: 'alice', scope: challenge?.scope ?? '' });
      const { value: added } = await call(steppedUp, 'add-note', { text: 'Buy milk' });
      assert.deepEqual((await call(reader, 'list-notes')).value, { notes: [added] });
    },
  );

  await step('Another user cannot use the session', async () => {
    const other = await issuer.mint({ sub: 'bob', scope: 'notes:read notes:write' });
    assert.equal((await call(other, 'list-notes')).status, 404);
  });

  await app.close();
  await issuer.close();
  console.log('All as expected.');
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'check', version: '1.0.0' } },
};

async function step(title: string, work: () => Promise<void>): Promise<void> {
  await work();
  console.log(`✓ ${title}`);
}

/** Sends a message of MCP. `value` is what a tool has answered, which the sample writes as JSON text. */
async function send(url: string, message: object, { token, session }: { token?: string; session?: string } = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify(message),
  });
  const header = response.headers.get('www-authenticate');
  const challenge = header === null ? undefined : { ...parseChallenges(header)[0]?.params };
  const text = await response.text();
  const [, json] = /^data: (\{.*)$/m.exec(text) ?? [];
  const { result } = JSON.parse(json ?? text) as { result?: { content?: { text: string }[] } };
  const written = result?.content?.[0]?.text;
  return {
    status: response.status,
    challenge,
    session: response.headers.get('mcp-session-id') ?? undefined,
    value: written === undefined ? undefined : (JSON.parse(written) as unknown),
  };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
