import { describe, expect, it } from '@jest/globals';
import { nodeResponse, targetAuthority, targetPath, type HttpRequest } from '../../lib/request/http-message.js';
import { forgetSession, hasMcpField, isMcpField, settleMcpFields } from '../../lib/request/mcp-fields.js';
import { headersMatchBody, isBatchAllowed } from '../../lib/request/mcp-headers.js';
import { isMcpMessage } from '../../lib/request/mcp-methods.js';
import { requestedAuthority, requestedHosts } from '../../lib/request/requested-host.js';
import { hasParameter, routePattern } from '../../lib/request/route-pattern.js';
import { readRpcBody, type RpcMessage } from '../../lib/request/rpc-body.js';
import { sessionsInUrl } from '../../lib/request/session-parameter.js';
import { askWith, isQuestion, questionOf } from '../../lib/request/start-question.js';
import { namesPeers, peerOf, TrustedPeers } from '../../lib/request/trusted-peers.js';
import { mayHoldMessage } from '../../lib/request/unread-body.js';

function request(parts: object): HttpRequest {
  return { method: 'POST', headers: {}, rawHeaders: [], ...parts } as unknown as HttpRequest;
}

describe('a request target', () => {
  it.each<[object, string, string | undefined]>([
    [{ url: '/mcp' }, '/mcp', undefined],
    [{ url: '/mcp?a=/b?c' }, '/mcp', undefined],
    [{ url: '?a' }, '/', undefined],
    [{}, '/', undefined],
    [{ url: '/below', originalUrl: '/mcp/below' }, '/mcp/below', undefined],
    [{ url: '/mcp', raw: { url: '/raw' } }, '/raw', undefined],
    [{ url: 'http://a.example:1/mcp?a' }, '/mcp', 'a.example:1'],
    [{ url: 'HTTPS://A.example' }, '/', 'A.example'],
    [{ url: 'http://a.example/mcp/' }, '/mcp/', 'a.example'],
    [{ url: 'https://a.example?b' }, '/', 'a.example'],
    [{ url: '/http://a.example/mcp' }, '/http://a.example/mcp', undefined],
    [{ url: '*' }, '*', undefined],
  ])('%j has the path %s and the host %s', (parts, path, authority) => {
    expect(targetPath(request(parts))).toBe(path);
    expect(targetAuthority(request(parts))).toBe(authority);
  });

  it.each<[object, string[], string | undefined]>([
    [{ headers: { host: 'a' } }, ['a'], 'a'],
    [{ headers: { host: 'a' }, url: 'http://b/' }, ['b'], 'b'],
    [{ headers: { ':authority': 'a' } }, ['a'], 'a'],
    [{ headers: { host: 'a', ':authority': 'A' } }, ['a', 'A'], 'a'],
    [{ headers: { host: 'a', ':authority': 'b' } }, ['a', 'b'], undefined],
    [{ headers: { host: 'a' }, rawHeaders: ['Host', 'a', 'Host', 'a'] }, ['a', 'a'], undefined],
    [{}, [], undefined],
    [{ headers: { ':authority': ['a', 'b'] } }, ['a', 'b'], undefined],
  ])('%j names the hosts %j', (parts, hosts, authority) => {
    expect(requestedHosts(request({ url: '/', ...parts }))).toEqual(hosts);
    expect(requestedAuthority(request({ url: '/', ...parts }))).toBe(authority);
  });

  it.each<[string, string[], string[]]>([
    ['/sse?sessionId=a&b=c', ['a'], ['c']],
    ['/sse?session_id=a&SESSION-ID=b&sessionid=c', ['a', 'b', 'c'], []],
    ['/sse?[sessionId]=a&sessionId[]=b&x.session_id=c', ['a', 'b', 'c'], []],
    ['/sse?mysessionId=a&sessionIds=b&session__id=c', [], ['a', 'b', 'c']],
    ['/sse;sessionId=a?b=c;d=e', ['a'], ['c', 'e']],
    ['/sse?a=b?sessionId=c', ['c'], ['b']],
    ['/sse?a=b#sessionId=c', [], ['b']],
    ['/sse#a?b=c', [], ['c']],
    ['/sessionId=a', [], []],
  ])('%s may name a session by %j or %j', (url, named, others) => {
    expect(sessionsInUrl(url)).toEqual({ named, others });
  });

  it.each<[object, string | undefined]>([
    [{ route: { path: '/a/:b' } }, '/a/:b'],
    [{ routeOptions: { url: '/c' } }, '/c'],
    [{ route: { path: /a/ } }, undefined],
    [{}, undefined],
  ])('%j has the pattern %s', (parts, pattern) => {
    expect(routePattern(request(parts))).toBe(pattern);
  });

  it('has a parameter where the pattern names one', () => {
    expect(['/a/:b', ':b'].every(hasParameter)).toBe(true);
    expect(['/a/*', '/a/b', '/a/:', '/a/:*'].some(hasParameter)).toBe(false);
  });
});

it('a question of the start is one for the instance that asks it, and no request of a client is', () => {
  const [instance, other] = [{}, {}];
  const question = { instance, context: undefined };
  const raw = request({});
  askWith(raw, question);
  for (const asked of [raw, request({ rawHeaders: undefined, raw })]) {
    expect(questionOf(asked, instance)).toBe(question);
    expect(questionOf(asked, other)).toBeUndefined();
    expect(isQuestion(asked)).toBe(true);
  }
  expect(questionOf(request({}), instance)).toBeUndefined();
  expect(isQuestion(request({ headers: { question: 'x' } }))).toBe(false);
});

it("Node's response is the one inside that of Fastify", () => {
  const node = {};
  expect([nodeResponse({ raw: node } as never), nodeResponse(node as never)]).toEqual([node, node]);
  expect(nodeResponse({ raw: node } as never)).toBe(node);
});

describe('the header fields of MCP', () => {
  const FIELDS = ['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name'];

  it('are five, of which one is sent by others, too', () => {
    expect([...FIELDS, 'last-event-id'].every(isMcpField)).toBe(true);
    expect(['accept', 'mcp-', 'Mcp-Name', ''].some(isMcpField)).toBe(false);
    for (const name of FIELDS) expect(hasMcpField(request({ headers: { [name]: '' } }))).toBe(true);
    expect(hasMcpField(request({ headers: { 'last-event-id': '1', accept: '*/*' } }))).toBe(false);
  });

  it.each<[string, Record<string, unknown>, string[], string[]]>([
    ['written', { 'mcp-name': 'new' }, ['Mcp-Name', 'old', 'A', 'b'], ['A', 'b', 'mcp-name', 'new']],
    ['removed', {}, ['Mcp-Session-Id', 's', 'A', 'b'], ['A', 'b']],
    ['made null', { 'mcp-name': null }, ['Mcp-Name', 'old', 'A', 'b'], ['A', 'b']],
    ['made a list', { 'mcp-name': ['a', 'b'] }, ['A', 'b'], ['A', 'b', 'mcp-name', 'a, b']],
    ['left as it is', { 'last-event-id': '1' }, ['Last-Event-ID', '1'], ['Last-Event-ID', '1']],
    [
      'left as joined by Node',
      { 'mcp-name': 'a, b' },
      ['MCP-Name', 'a', 'mcp-name', 'b'],
      ['MCP-Name', 'a', 'mcp-name', 'b'],
    ],
    ['left for a shim', { 'mcp-name': 'a' }, [], []],
  ])('are the same in both lists where middleware has %s one', (_what, headers, rawHeaders, settled) => {
    const source = request({ headers: { ...headers }, rawHeaders: [...rawHeaders] });
    settleMcpFields(source);
    expect(source.rawHeaders).toEqual(settled);
  });

  it('are left to an adapter that has no list of them', () => {
    const headers = { 'mcp-name': 'a' };
    settleMcpFields({ method: 'POST', headers });
    expect(headers).toEqual({ 'mcp-name': 'a' });
  });

  it('of Fastify are written also where only one list differs', () => {
    const raw = request({ headers: { 'mcp-name': 'old' }, rawHeaders: ['Mcp-Name', 'new'] });
    settleMcpFields({ method: 'POST', headers: { 'mcp-name': 'new' }, raw } as unknown as HttpRequest);
    expect(raw.headers).toEqual({ 'mcp-name': 'new' });
  });

  it('of Fastify are those that its own request shows', () => {
    const raw = request({ headers: { 'mcp-name': 'old' }, rawHeaders: ['Mcp-Name', 'old'] });
    const fastify = { method: 'POST', headers: { 'mcp-name': 'new' }, raw } as unknown as HttpRequest;
    settleMcpFields(fastify);
    expect([raw.headers, raw.rawHeaders]).toEqual([{ 'mcp-name': 'new' }, ['mcp-name', 'new']]);
    forgetSession(fastify);
    expect(raw.headers).toEqual({ 'mcp-name': 'new' });
  });

  it('that tie a request to a session can be forgotten', () => {
    const fields = ['Mcp-Session-Id', 's', 'Last-Event-ID', '1', 'Mcp-Name', 'n'];
    const headers = { 'mcp-session-id': 's', 'last-event-id': '1', 'mcp-name': 'n' };
    const raw = request({ headers: { ...headers }, rawHeaders: fields });
    const fastify = { method: 'POST', headers: { ...headers }, raw } as unknown as HttpRequest;
    forgetSession(fastify);
    expect([raw.headers, raw.rawHeaders]).toEqual([{ 'mcp-name': 'n' }, ['Mcp-Name', 'n']]);
    expect(fastify.headers).toEqual({ 'mcp-session-id': undefined, 'last-event-id': undefined, 'mcp-name': 'n' });
  });

  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'Grüße' } };
  const encoded = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;
  it.each<[Record<string, unknown>, unknown, boolean]>([
    [{}, call, true],
    [{}, [call], true],
    [{ 'mcp-method': 'tools/call' }, call, true],
    [{ 'mcp-method': 'tools/list' }, call, false],
    [{ 'mcp-method': 'tools/call' }, [call], false],
    [{ 'mcp-name': 'x' }, {}, false],
    [{ 'mcp-name': 'Grüße' }, call, true],
    [{ 'mcp-name': encoded('Grüße') }, call, true],
    [{ 'mcp-name': encoded('Gruß') }, call, false],
    [{ 'mcp-name': encoded('Grüße').replace('?=', '') }, call, false],
    [{ 'mcp-name': `${encoded('Grüße')}x` }, call, false],
    [{ 'mcp-name': '=?base64?R3LDvMOfZR==?=' }, call, false],
    [{ 'mcp-name': ['Grüße'] }, call, false],
    [{ 'mcp-name': 'x' }, { ...call, method: 'tools/list' }, true],
    [{ 'mcp-method': 'tools/call', 'mcp-name': 'x' }, call, false],
  ])('SEP-2243: %j match the body %j: %s', (headers, body, isMatch) => {
    expect(headersMatchBody(headers as Record<string, string>, readRpcBody(body))).toBe(isMatch);
  });

  it('allow batches without a version and with that which had them', () => {
    const allowed = (version?: string): boolean => isBatchAllowed({ 'mcp-protocol-version': version });
    expect([allowed(), allowed('2025-03-26')]).toEqual([true, true]);
    expect([allowed('2025-06-18'), allowed('2024-11-05'), allowed('')]).toEqual([false, false, false]);
  });
});

it.each<[string | undefined, boolean]>([
  [undefined, true],
  ['initialize', true],
  ['tools/call', true],
  ['resources/read', true],
  ['prompts/get', true],
  ['completion/complete', true],
  ['logging/setLevel', true],
  ['notifications/initialized', true],
  ['tasks/get', true],
  ['sampling/createMessage', true],
  ['roots/list', true],
  ['elicitation/create', true],
  ['server/discover', true],
  ['subscriptions/listen', true],
  ['initialized', false],
  ['re-initialize', false],
  ['tools', false],
  ['mytools/call', false],
  ['ping', false],
])('%s is a method of MCP: %s', (method, isIt) => {
  expect(isMcpMessage({ method } as RpcMessage)).toBe(isIt);
});

describe('trusted peers', () => {
  it.each<[string, boolean]>([
    ['unix', true],
    ['10.0.0.1', true],
    ['10.0.0.0/8', true],
    ['10.0.0.0/32', true],
    ['10.0.0.0/1', true],
    ['10.0.0.0/0', false],
    ['10.0.0.0/33', false],
    ['::1', true],
    ['fe80::/128', true],
    ['fe80::/129', false],
    ['fe80::/0', false],
    ['10.0.0/8', false],
    ['10.0.0.0/', false],
    ['10.0.0.0/1234', false],
    [' 10.0.0.1', false],
    ['10.0.0.1 ', false],
    ['localhost', false],
    ['', false],
  ])('%j names them: %s', (text, isIt) => {
    expect(namesPeers(text)).toBe(isIt);
  });

  const at = (remoteAddress: unknown, address?: unknown): HttpRequest =>
    request({ socket: { remoteAddress, server: { address: () => address } } });
  it.each<[HttpRequest, boolean, string]>([
    [at('10.1.2.3'), true, '10.1.2.3'],
    [at('11.1.2.3'), false, '11.1.2.3'],
    [at('::ffff:10.1.2.3'), true, '::ffff:10.1.2.3'],
    [at('fe80::1%eth0'), true, 'fe80::1'],
    [at('fe80::2'), false, 'fe80::2'],
    [at('text'), false, 'text'],
    [at('fe80::1%eth0\n%b'), true, 'fe80::1'],
    [at(undefined, '/run/app.sock'), true, 'unix'],
    [at(undefined, { port: 1 }), false, 'unknown'],
    [request({ socket: {} }), false, 'unknown'],
    [request({ socket: { server: {} } }), false, 'unknown'],
    [request({ socket: undefined }), false, 'unknown'],
  ])('%#: include: %s %s', (from, isOne, peer) => {
    expect(new TrustedPeers(['10.0.0.0/8', 'fe80::1', 'unix']).includes(from)).toBe(isOne);
    expect(peerOf(from)).toBe(peer);
  });

  it('do not include the socket of Unix where it is not named', () => {
    expect(new TrustedPeers(['10.0.0.1']).includes(at(undefined, '/run/app.sock'))).toBe(false);
    expect(new TrustedPeers([]).includes(at('10.0.0.1'))).toBe(false);
    expect(new TrustedPeers(['10.0.0.1']).includes(at('10.0.0.2'))).toBe(false);
  });
});

it.each<[unknown, boolean | undefined, boolean]>([
  ['{"a":1}', true, true],
  [' \n[1]', true, true],
  ['a string', true, false],
  ['a [list]', true, false],
  ['', true, false],
  ['a string', false, true],
  [{}, true, true],
  [undefined, undefined, true],
])('the body %j, begun to read: %s, may hold a message: %s', (body, readableDidRead, may) => {
  expect(mayHoldMessage(body, { headers: {}, ...(readableDidRead === undefined ? {} : { readableDidRead }) })).toBe(
    may,
  );
});
