import { request as sendTo } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { ReplayStore } from 'nestjs-mcp-auth';
import { TestDpopKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { callOf } from '../support/challenge-cases.js';
import { expectChallenges, startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { http2Client } from '../support/http2.js';
import { LoopbackServer } from '../support/loopback-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { SharedStores, sseEndpoint } from '../support/state-endpoints.js';
import { startTwoResourcesServer } from '../support/two-resources-server.js';

const SECRET = 'a secret that nobody can guess, of this test';
const NEXT_SECRET = 'the next secret that nobody can guess, of this test';

/** A proxy that changes the path of requests. */
function startProxy(target: string, changePath: (path: string) => string): Promise<LoopbackServer> {
  return LoopbackServer.start((request, response) => {
    const { method, headers, url = '/' } = request;
    const onward = sendTo(target + changePath(url), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
}

describe.each(PLATFORMS)('8. DPoP: what a proof is for, on %s', (platform) => {
  const started: DpopServer[] = [];
  const start = async (...args: Parameters<typeof startDpopServer> extends [unknown, ...infer Rest] ? Rest : never) => {
    const dpop = await startDpopServer(platform, ...args);
    started.push(dpop);
    return dpop;
  };
  afterEach(async () => {
    for (const { close } of started.splice(0)) await close();
  });

  it('RFC9449-4.3-9: is the public URL, where a proxy removes the beginning of the path', async () => {
    const resource = 'https://example.com/notes/mcp';
    const dpop = await start({ dpop: 'required', resource });
    const proxy = await startProxy(dpop.server.origin, (path) => path.replace('/notes', ''));
    const behind = `${proxy.origin}/notes/mcp`;
    const token = await dpop.mintBound({ aud: resource });
    const send = (url: string): Promise<Response> =>
      fetch(behind, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'x-forwarded-host': 'attacker.example',
          'x-forwarded-prefix': '/attacker',
          forwarded: 'host=attacker.example;proto=https',
          ...dpop.key.headers({ method: 'POST', url, token }),
        },
        body: JSON.stringify(callOf('ping')),
      });
    expect((await send(resource)).status).toBe(200);
    for (const url of [behind, 'https://example.com/mcp', 'https://attacker.example/attacker/mcp'])
      expect([url, (await send(url)).status]).toEqual([url, 401]);
    await proxy.close();
  });

  it('RFC9449-7.1-a: is each request of a session: a stream, its resumption, and its end', async () => {
    const dpop = await start({ dpop: 'required' }, { transport: { statefulMode: true } });
    const { server, key } = dpop;
    const token = await dpop.mintBound({ exp: Math.floor(server.clock.now / 1000) + 60 });
    const claims = { iat: Math.floor(server.clock.now / 1000) };
    const fields = (method: string): Record<string, string> => ({
      accept: 'application/json, text/event-stream',
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...key.headers({ method, url: server.resource, token, claims }),
    });
    const clientInfo = { name: 'test', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    const opened = await fetch(server.resource, {
      method: 'POST',
      headers: fields('POST'),
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
    });
    await opened.text();
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    const get = (headers: Record<string, string>): Promise<Response> =>
      fetch(server.resource, { headers: { ...headers, ...session } });
    await expectChallenges(dpop, await get(fields('POST')), { error: 'invalid_dpop_proof' });
    const used = fields('GET');
    const stream = await get(used);
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    await expectChallenges(dpop, await get({ ...used, 'last-event-id': '1' }), { error: 'invalid_dpop_proof' });
    const end = await fetch(server.resource, { method: 'DELETE', headers: { ...fields('GET'), ...session } });
    await expectChallenges(dpop, end, { error: 'invalid_dpop_proof' });
    // The stream ends with the token, whatever proof began it.
    server.clock.now += 61_000;
    expect(await stream.text()).toBe('');
  });

  it('RFC9449-4.3-9: is each endpoint of HTTP+SSE', async () => {
    const shared = new SharedStores();
    const dpop = await start({ dpop: 'required' }, { controllers: [sseEndpoint('sse', shared)] });
    const { origin } = dpop.server;
    const token = await dpop.mintBound();
    const fields = (method: string, url: string): Record<string, string> => ({
      authorization: `DPoP ${token}`,
      dpop: dpop.proof(token, { method, url }),
    });
    const abort = new AbortController();
    const stream = await fetch(`${origin}/sse`, { headers: fields('GET', `${origin}/sse`), signal: abort.signal });
    expect(stream.status).toBe(200);
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
    const endpoint = /data: (\S+)/.exec(new TextDecoder().decode((await reader.read()).value))?.[1] ?? '';
    expect(endpoint).toContain('/sse/messages?sessionId=');
    const post = (url: string): Promise<Response> =>
      fetch(origin + endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...fields('POST', url) },
        body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      });
    expect((await post(origin + endpoint)).status).toBe(202);
    expect((await post(`${origin}/sse`)).status).toBe(401);
    abort.abort();
    shared.taskStore.cleanup();
  });

  it('RFC9449-11.1-a: is one resource of an application', async () => {
    const issuer = await TestIssuer.start({ alg: 'ES256' });
    const options = { authorizationServers: [issuer.issuer], dpop: 'required' as const };
    const server = await startTwoResourcesServer(platform, { notes: options, billing: options });
    const key = await TestDpopKey.generate();
    const { notes, billing } = server;
    const token = await issuer.mint({ aud: [notes.resource, billing.resource], cnf: key.confirmation });
    const send = (at: string, headers: object): Promise<Response> =>
      fetch(at, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: JSON.stringify(callOf('ping')),
      });
    const claims = { iat: Math.floor(server.clock.now / 1000), jti: 'the same' };
    const forNotes = key.headers({ method: 'POST', url: notes.resource, token, claims });
    const forBilling = key.headers({ method: 'POST', url: billing.resource, token, claims });
    expect((await send(billing.resource, forNotes)).status).toBe(401);
    // The failed attempt has not used up the proof, and each URL has ids of its own.
    expect((await send(notes.resource, forNotes)).status).toBe(200);
    expect((await send(billing.resource, forBilling)).status).toBe(200);
    expect((await send(notes.resource, forNotes)).status).toBe(401);
    await server.close();
    await issuer.close();
  });

  it('RFC9449-9-a: has a nonce of any replica, before, while and after the secret changes', async () => {
    const withSecret = (secret: string | string[]): Promise<DpopServer> =>
      start({ dpop: { nonce: { secret } }, resource: 'https://notes.example/mcp' });
    const [old, both, next] = [
      await withSecret(SECRET),
      await withSecret([NEXT_SECRET, SECRET]),
      await withSecret(NEXT_SECRET),
    ];
    const other = await start({ dpop: { nonce: { secret: SECRET } }, resource: 'https://billing.example/mcp' });
    const callWith = async (dpop: DpopServer, nonce?: string): Promise<Response> => {
      const resource = dpop === other ? 'https://billing.example/mcp' : 'https://notes.example/mcp';
      const token = await dpop.mintBound({ aud: resource });
      const proof = dpop.proof(token, { url: resource, ...(nonce !== undefined && { nonce }) });
      return dpop.call({ authorization: `DPoP ${token}`, dpop: proof });
    };
    const nonceOf = async (dpop: DpopServer): Promise<string> =>
      (await callWith(dpop)).headers.get('dpop-nonce') as string;
    const statuses = async (nonce: string): Promise<number[]> =>
      [await callWith(old, nonce), await callWith(both, nonce), await callWith(next, nonce)].map(
        ({ status }) => status,
      );
    expect(await statuses(await nonceOf(old))).toEqual([200, 200, 401]);
    expect(await statuses(await nonceOf(both))).toEqual([401, 200, 200]);
    expect(await statuses(await nonceOf(other))).toEqual([401, 401, 401]);
  });

  it('RFC9449-9-a: gets its nonce with 401, also where refused tool calls are answered with results', async () => {
    const dpop = await start({ dpop: { nonce: { secret: SECRET } }, challenge: 'tool-result' });
    const first = await dpop.callWith({});
    await expectChallenges(dpop, first, { error: 'use_dpop_nonce' });
    const nonce = first.headers.get('dpop-nonce') as string;
    expect((await dpop.callWith({ nonce })).status).toBe(200);
    await expectChallenges(dpop, await dpop.callWith({ nonce, fault: 'stale' }), { error: 'invalid_dpop_proof' });
    // Other refusals are results, as the option says.
    expect((await dpop.call(bearer('a.b.c'))).status).toBe(200);
  });

  it('RFC9449-7.1-d: has a nonce that scripts of other origins can read, beside what the application exposes', async () => {
    const origin = 'https://client.example';
    const exposed = { origin: true, exposedHeaders: ['Mcp-Session-Id', 'X-Mine'] };
    const options = { dpop: { nonce: { secret: SECRET } }, allowedOrigins: [origin] };
    const dpop = await start(options, { prepare: (app) => app.enableCors(exposed) });
    const token = await dpop.mintBound();
    const send = async (url: string, method: string, nonce?: string): Promise<string[]> => {
      const proof = dpop.proof(token, { method, url, ...(nonce !== undefined && { nonce }) });
      const headers = { authorization: `DPoP ${token}`, dpop: proof, origin };
      const body = method === 'POST' ? JSON.stringify(callOf('ping')) : null;
      const type = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const response = await fetch(url, { method, headers: { ...type, ...headers }, body });
      await response.text();
      return [String(response.status), ...(response.headers.get('access-control-expose-headers') ?? '').split(', ')];
    };
    const plain = `${dpop.server.origin}/plain`;
    const { headers } = await dpop.callWith({});
    const nonce = headers.get('dpop-nonce') as string;
    expect((await send(plain, 'GET')).toSorted()).toEqual([
      '401',
      'DPoP-Nonce',
      'Mcp-Session-Id',
      'WWW-Authenticate',
      'X-Mine',
    ]);
    const [status, ...names] = await send(plain, 'GET', nonce);
    expect([status, names.join().split(',').toSorted()]).toEqual(['200', ['DPoP-Nonce', 'Mcp-Session-Id', 'X-Mine']]);
    const [called, ...ofCall] = await send(dpop.server.resource, 'POST', nonce);
    expect([called, ofCall]).toEqual(['200', expect.arrayContaining(['DPoP-Nonce'])]);
  });

  it('RFC9449-11.1-a: is remembered for longer than it is accepted, in whole milliseconds', async () => {
    const times: number[] = [];
    const replayStore: ReplayStore = { insertOnce: (_key, until) => times.push(until) > 0 };
    const dpop = await start({ dpop: { replayStore, proofSeconds: 60 } });
    const iat = dpop.server.clock.now / 1000 + 0.123_456_7;
    expect((await dpop.callWith({ claims: { iat } })).status).toBe(200);
    expect(times).toEqual([Math.ceil((iat + 120) * 1000)]);
  });
});

it('RFC9449-4.3-1: reads proofs over HTTP/2, and refuses two of them', async () => {
  const dpop = await startDpopServer(
    'fastify',
    { dpop: 'required' },
    { adapter: new FastifyAdapter({ http2: true } as never) },
  );
  const client = http2Client(dpop.server.origin);
  const token = await dpop.mintBound();
  const call = async (proof: string | string[]): Promise<number> => {
    const headers = {
      ':path': '/mcp?page=1',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `DPoP ${token}`,
      dpop: proof,
    };
    return (await client.send(headers as unknown as Record<string, string>, JSON.stringify(callOf('ping')))).status;
  };
  const attacker = dpop.proof(token, { url: 'http://attacker.example/mcp' });
  const statuses = [
    await call(dpop.proof(token)),
    await call(attacker),
    await call([dpop.proof(token), dpop.proof(token)]),
  ];
  expect(statuses).toEqual([200, 401, 401]);
  await client.close();
  await dpop.close();
});
