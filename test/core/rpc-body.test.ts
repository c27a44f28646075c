import { describe, expect, it } from '@jest/globals';
import { isEnvelope, openPurposeOf, readRpcBody, requestIdsIn } from '../../lib/request/rpc-body.js';

function message(
  method: unknown,
  params?: unknown,
  more: Record<string, unknown> = { id: 1 },
): Record<string, unknown> {
  return { jsonrpc: '2.0', method, ...(params === undefined ? {} : { params }), ...more };
}

const URI = 'notes://a';
const subscriptions = (count: number): unknown => ({
  notifications: { resourceSubscriptions: Array.from({ length: count }, () => URI) },
});

describe('the operations of a message', () => {
  const read = { kind: 'resource', name: URI, args: undefined };
  const ref = (type: string): unknown => ({ ref: { type, name: 'p', uri: URI } });
  it.each<[string, unknown, unknown[]]>([
    [
      'tools/call',
      { name: 't', arguments: { a: 1 } },
      [{ kind: 'tool', name: 't', args: { a: 1 }, reachesHandler: true }],
    ],
    [
      'prompts/get',
      { name: 'p', arguments: { a: 1 } },
      [{ kind: 'prompt', name: 'p', args: { a: 1 }, reachesHandler: true }],
    ],
    ['resources/read', { uri: URI, arguments: 1 }, [{ ...read, reachesHandler: true }]],
    ['resources/subscribe', { uri: URI }, [{ ...read, reachesHandler: false }]],
    ['resources/unsubscribe', { uri: URI }, [{ ...read, reachesHandler: false }]],
    [
      'subscriptions/listen',
      subscriptions(2),
      [
        { ...read, reachesHandler: false },
        { ...read, reachesHandler: false },
      ],
    ],
    [
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: [1, URI] } },
      [{ ...read, reachesHandler: false }],
    ],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: URI } }, []],
    ['subscriptions/listen', { notifications: null }, []],
    ['completion/complete', ref('ref/prompt'), [{ kind: 'prompt', name: 'p', args: undefined, reachesHandler: false }]],
    ['completion/complete', ref('ref/resource'), [{ ...read, kind: 'resource-template', reachesHandler: false }]],
    ['completion/complete', ref('ref/other'), []],
    ['completion/complete', {}, []],
    ['tools/call', { name: 1 }, []],
    ['tools/call', { uri: URI }, []],
    ['tools/call', [], []],
    ['resources/read', { name: 't' }, []],
    ['tools/list', { name: 't', uri: URI }, []],
    ['', { name: 't' }, []],
  ])('%s with %j', (method, params, operations) => {
    const expected = operations.map((operation) => ({ method, ...(operation as object) }));
    const body = readRpcBody(message(method, params));
    expect(body.operations).toEqual(expected);
    expect(body.messages).toMatchObject([{ method, operations: expected }]);
    expect(body).toMatchObject({ isBatch: false, excess: undefined, requestId: 1 });
  });

  it.each<[unknown, unknown, unknown]>([
    [{ arguments: { a: 1 } }, { name: 'b', value: 2 }, { a: 1, b: 2 }],
    [{ arguments: { b: 1 } }, { name: 'b', value: 2 }, { b: 2 }],
    [{ arguments: 'text' }, { name: 'b', value: 2 }, { b: 2 }],
    [undefined, { name: 'b', value: 2 }, { b: 2 }],
    [{ arguments: { a: 1 } }, { name: 1, value: 2 }, { a: 1 }],
    [{ arguments: { a: 1 } }, undefined, { a: 1 }],
    [{ '': { b: 1 } }, undefined, undefined],
    [null, undefined, undefined],
  ])('the arguments of a completion with the context %j and the argument %j are %j', (context, argument, args) => {
    const of = (type: string): unknown =>
      readRpcBody(message('completion/complete', { ref: { type, name: 'p', uri: URI }, context, argument }))
        .operations[0]?.args;
    expect(of('ref/resource')).toEqual(args);
    expect(of('ref/prompt')).toEqual((context as Record<string, unknown> | null | undefined)?.['arguments']);
  });
});

describe('a message', () => {
  it.each<[string, unknown, string | undefined]>([
    ['tools/call', { name: 'a', uri: 'b', taskId: 'c' }, 'a'],
    ['prompts/get', { name: 'a' }, 'a'],
    ['resources/read', { name: 'a', uri: 'b', taskId: 'c' }, 'b'],
    ['tasks/get', { name: 'a', uri: 'b', taskId: 'c' }, 'c'],
    ['tasks/update', { taskId: 'c' }, 'c'],
    ['tasks/cancel', { taskId: 'c' }, 'c'],
    ['tasks/list', { name: 'a', uri: 'b', taskId: 'c' }, undefined],
    ['resources/subscribe', { uri: 'b' }, undefined],
    ['tools/call', { name: 1 }, undefined],
    ['tools/list', { undefined: 'a' }, undefined],
  ])('SEP-2243: Mcp-Name of %s with %j repeats %s', (method, params, name) => {
    expect(readRpcBody(message(method, params)).messages[0]?.mirroredName).toBe(name);
  });

  it.each<[unknown, boolean]>([
    [{ _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }, true],
    [{ _meta: { 'io.modelcontextprotocol/protocolVersion': undefined } }, true],
    [{ _meta: {} }, false],
    [{ _meta: 'io.modelcontextprotocol/protocolVersion' }, false],
    [{}, false],
    [undefined, false],
  ])('with the parameters %j belongs to no session: %s', (params, isIt) => {
    expect(readRpcBody(message('tools/list', params)).messages[0]?.isSessionless).toBe(isIt);
  });

  it('that answers the server has no method', () => {
    const body = readRpcBody({ jsonrpc: '2.0', id: 1, result: {} });
    expect(body.messages).toMatchObject([{ method: undefined, operations: [], mirroredName: undefined }]);
    expect(body.requestId).toBeUndefined();
    const [odd] = readRpcBody(message(['tools/call'], { name: 't' })).messages;
    expect(odd).toMatchObject({ method: undefined, operations: [] });
  });

  it.each<[unknown, unknown]>([
    [1, 1],
    ['a', 'a'],
    [0, 0],
    ['', ''],
    [null, null],
    [{}, null],
    [true, null],
    [undefined, undefined],
  ])('with the id %j has the id %j', (id, requestId) => {
    expect(readRpcBody(message('ping', undefined, { id })).requestId).toBe(requestId);
  });

  it.each([
    ['initialize', 'connect'],
    ['notifications/initialized', 'connect'],
    ['notifications/cancelled', 'connect'],
    ['ping', 'connect'],
    ['server/discover', 'list'],
    ['tools/list', 'list'],
    ['resources/list', 'list'],
    ['resources/templates/list', 'list'],
    ['prompts/list', 'list'],
    ['tools/call', undefined],
    ['', undefined],
  ])('%j opens: %s', (method, purpose) => {
    const [read] = readRpcBody(message(method)).messages;
    expect(read && openPurposeOf(read)).toBe(purpose);
  });
});

describe('a body', () => {
  it.each<[unknown]>([
    [undefined],
    [null],
    ['{"jsonrpc":"2.0"}'],
    [{}],
    [{ jsonrpc: '1.0', method: 'ping', id: 1 }],
    [[]],
    [[{}, 1, null]],
  ])('%j is no JSON-RPC', (body) => {
    const nothing = { messages: [], operations: [], isBatch: false, excess: undefined, requestId: undefined };
    expect(readRpcBody(body)).toEqual(nothing);
    expect(requestIdsIn(body)).toEqual([]);
    expect(isEnvelope(body)).toBe(false);
  });

  it('of several messages is a batch, whatever else is in it', () => {
    const call = message('tools/call', { name: 't' });
    const body = readRpcBody([{}, call, 1, message('ping', undefined, {}), call]);
    expect(body).toMatchObject({ isBatch: true, excess: undefined, requestId: null });
    expect(body.messages.map(({ method }) => method)).toEqual(['tools/call', 'ping', 'tools/call']);
    expect(body.operations.map(({ name }) => name)).toEqual(['t', 't']);
    expect(readRpcBody([call])).toMatchObject({ isBatch: true, requestId: null });
  });

  it('has up to 100 messages that are read', () => {
    const pings = (count: number): unknown[] => Array.from({ length: count }, () => message('ping'));
    expect(readRpcBody(pings(100))).toMatchObject({ excess: undefined });
    const more = readRpcBody(pings(101));
    expect([more.excess, more.messages.length]).toEqual(['messages', 100]);
    // Other items do not push a message beyond the limit, and are not let through either.
    const late = readRpcBody([...Array.from({ length: 100 }, () => 1), message('tools/call', { name: 't' })]);
    expect([late.excess, late.operations.length]).toEqual(['messages', 1]);
  });

  it('has up to 1,000 operations that are read, of all messages together', () => {
    const listen = (count: number): unknown => message('subscriptions/listen', subscriptions(count));
    expect(readRpcBody(listen(1_000))).toMatchObject({ excess: undefined });
    const more = readRpcBody(listen(1_001));
    expect([more.excess, more.operations.length]).toEqual(['operations', 1_000]);
    expect(readRpcBody([listen(600), listen(400)]).excess).toBeUndefined();
    const together = readRpcBody([listen(600), listen(401)]);
    expect([together.excess, together.operations.length]).toEqual(['operations', 1_000]);
  });

  it('has the ids of its requests, which answers repeat', () => {
    expect(requestIdsIn(message('ping'))).toEqual([1]);
    const notification = message('notifications/initialized', undefined, {});
    const answer = { jsonrpc: '2.0', id: 5, result: {} };
    expect(requestIdsIn([message('ping', undefined, { id: 'a' }), notification, answer, 1])).toEqual(['a']);
    expect(requestIdsIn([message('ping', undefined, { id: null })])).toEqual([null]);
    expect(requestIdsIn(Array.from({ length: 101 }, () => message('ping')))).toHaveLength(100);
  });
});
