import { describe, expect, it } from '@jest/globals';
import { isAt, isOpenRequest } from '../../lib/authorization/open-requests.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { readRpcBody } from '../../lib/request/rpc-body.js';

const message = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', id: 1, method, params });
const initialize = message('initialize');
const list = message('tools/list');
const call = message('tools/call', { name: 'sum' });
const unknown = message('completion/other');

const NOTHING = { connect: false, list: false, call: false };
const CONNECT = { ...NOTHING, connect: true };
const LIST = { ...NOTHING, list: true };
const CALL = { ...NOTHING, call: true };
const ALL = { connect: true, list: true, call: true };

describe('what an anonymous caller may send to an endpoint', () => {
  it.each<[method: string, body: unknown, allowed: typeof ALL, isOpen: boolean]>([
    ['POST', initialize, CONNECT, true],
    ['POST', initialize, { ...ALL, connect: false }, false],
    ['POST', list, LIST, true],
    ['POST', list, { ...ALL, list: false }, false],
    ['POST', call, CALL, true],
    ['POST', call, { ...ALL, call: false }, false],
    ['POST', unknown, ALL, false],
    ['POST', undefined, ALL, false],
    ['POST', {}, ALL, false],
    ['POST', [], ALL, false],
    ['POST', [initialize, list], { ...ALL, call: false }, true],
    ['POST', [initialize, call], ALL, true],
    ['POST', [initialize, list], CONNECT, false],
    ['POST', [list, initialize], CONNECT, false],
    ['POST', [call, unknown], ALL, false],
    ['GET', undefined, CONNECT, true],
    ['GET', undefined, { ...ALL, connect: false }, false],
    ['DELETE', undefined, CONNECT, true],
    ['DELETE', undefined, { ...ALL, connect: false }, false],
    ['GET', call, CONNECT, false],
    ['DELETE', call, CONNECT, false],
    ['GET', call, { connect: true, list: false, call: true }, true],
    ['GET', call, CALL, false],
    ['PUT', undefined, ALL, false],
    ['PUT', initialize, ALL, true],
  ])('%s with %j, where %j is allowed: %s', (method, body, allowed, isOpen) => {
    expect(isOpenRequest({ method } as HttpRequest, readRpcBody(body), allowed)).toBe(isOpen);
  });
});

describe('a request at the endpoint of a resource', () => {
  it.each<[path: string, url: string, isThere: boolean]>([
    ['/mcp', '/mcp', true],
    ['/mcp', '/mcp/', true],
    ['/mcp/', '/mcp', true],
    ['/mcp', '/mcp?query/', true],
    ['/', '/', true],
    ['/', '/?query', true],
    ['/a/mcp', '/a/mcp', true],
    ['/a/mcp', '/amcp', false],
    ['/a/mcp', 'a/mcp', false],
    ['/mcp', '/mcp//', false],
    ['/mcp', '/mcp/below', false],
    ['/mcp', '/Mcp', false],
  ])('of %s with the target %s: %s', (path, url, isThere) => {
    const resource = { identifier: { path } } as ResolvedResource;
    expect(isAt(resource, { method: 'GET', url, headers: {} } as HttpRequest)).toBe(isThere);
  });
});
