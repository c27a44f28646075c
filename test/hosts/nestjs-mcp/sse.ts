/** HTTP+SSE (MCP 2024-11-05), which `@nestjs-mcp/server` turns on by itself: the session is an address in the URL of messages. */
import { strict as assert } from 'node:assert';
import { ran, startHost } from './host';
import { check, finish, type Host } from './rpc';

/** What the server wrote so far, and what comes next. */
interface Stream {
  /** Resolves with the first match of what was written. */
  read(pattern: RegExp): Promise<RegExpExecArray>;
  close(): void;
}

async function listen(origin: string, token?: string): Promise<{ status: number; stream: Stream }> {
  const aborted = new AbortController();
  const headers = { accept: 'text/event-stream', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${origin}/sse`, {
    headers,
    signal: AbortSignal.any([aborted.signal, AbortSignal.timeout(20_000)]),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const read = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text);
      if (match) return match;
      const chunk = await reader?.read();
      if (!chunk || chunk.done) throw new Error(`the stream ended after ${text}`);
      text += chunk.value;
    }
  };
  return { status: response.status, stream: { read, close: () => aborted.abort() } };
}

let id = 0;

async function send(url: string, token: string, method: string, params: object = {}): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params });
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

async function checkSse(host: Host): Promise<void> {
  const { origin } = new URL(host.resource);
  const mint = (claims: object): Promise<string> => host.issuer.mint({ aud: host.resource, scope: 'a b', ...claims });
  const alice = await mint({});
  const tool = (name: string): [string, object] => ['tools/call', { name, arguments: {} }];

  await check(ran, 'opens no stream without a token', async () => {
    assert.equal((await listen(origin)).status, 401);
  });
  const { stream } = await listen(origin, alice);
  const [, path = ''] = await stream.read(/data: (\/messages\S+)/);
  const messages = origin + path;
  const clientInfo = { name: 'checks', version: '1.0.0' };
  await check(ran, 'serves its owner, and answers into the stream', async () => {
    assert.equal(
      await send(messages, alice, 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo }),
      202,
    );
    assert.equal(await send(messages, alice, ...tool('write')), 202);
    const [, text] = await stream.read(/"text":"(.*?)"}]/);
    assert.deepEqual(JSON.parse((text ?? '').replaceAll('\\"', '"')), { written: 'nothing', subject: 'alice' });
  });
  await check(ran, 'decides by the token of each message', async () => {
    assert.equal(await send(messages, await mint({ scope: 'a' }), ...tool('write')), 403);
    assert.deepEqual(ran, []);
  });
  await check(ran, 'LIB-23: does not take messages of somebody else', async () => {
    for (const name of ['ping', 'write'])
      assert.equal(await send(messages, await mint({ sub: 'bob' }), ...tool(name)), 404);
    assert.deepEqual(ran, []);
  });
  stream.close();
}

async function main(): Promise<void> {
  const host = await startHost(true, {});
  try {
    await checkSse(host);
  } finally {
    await host.close();
  }
}

void finish(main());
