import { beforeEach, describe, expect, it } from '@jest/globals';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import type { AccessRequest } from '../../lib/authorization/access-request.js';
import { RefusedRequests } from '../../lib/authorization/refused-requests.js';
import { ResourceRoutes } from '../../lib/authorization/resource-routes.js';
import type { AuthorizedCall } from '../../lib/caller/authorized-call.js';
import { McpAuthError } from '../../lib/core/error.js';
import { readResourceTemplate } from '../../lib/core/resource-template.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { readRpcBody } from '../../lib/request/rpc-body.js';
import type { ResourceServers } from '../../lib/resource-servers/resource-servers.js';

const first = { id: 'first' } as ResolvedResource;
const other = { id: 'other' } as ResolvedResource;
const alice = { subject: 'alice' } as unknown as McpAuthInfo;
const bound = { subject: 'bob', proof: { method: 'dpop' } } as unknown as McpAuthInfo;
const withCertificate = { subject: 'carol', proof: { method: 'mtls' } } as unknown as McpAuthInfo;
const body = readRpcBody({ jsonrpc: '2.0', id: 7, method: 'ping' });
const callOf = (auth: McpAuthInfo | undefined): AuthorizedCall => ({ auth, resource: other, handler: {} });

describe('what is known of a refused request', () => {
  let refused: RefusedRequests;
  beforeEach(() => {
    const of = (resource: ResolvedResource): object => ({ resource });
    refused = new RefusedRequests({ first: { resource: first }, of } as unknown as ResourceServers);
  });

  it('was noted with the request, also inside that of Fastify', () => {
    const raw = { rawHeaders: [] };
    const access = {
      server: { resource: other },
      scopes: ['a'],
      body,
      caller: undefined,
      scheme: 'DPoP',
      startedAt: 5,
      handler: {},
    } as unknown as AccessRequest;
    refused.note({ raw } as unknown as HttpRequest, access);
    const facts = { resource: other, scopes: ['a'], body, scheme: 'DPoP', startedAt: 5 };
    expect(refused.find(raw)).toEqual({ ...facts, caller: undefined });
    expect(refused.find(raw, callOf(alice)).caller).toBe(alice);
    access.caller = bound;
    expect(refused.find(raw, callOf(alice))).toEqual({ ...facts, caller: bound });
  });

  it('was noted with the context of a call without a request', () => {
    const context = {};
    refused.noteCall(context, other, ['a']);
    expect(refused.find(context)).toEqual({
      resource: other,
      scopes: ['a'],
      body: readRpcBody(undefined),
      caller: undefined,
      scheme: 'Bearer',
    });
  });

  it.each([undefined, null, 'text', 7])('is nothing for the context %j, which is no object', (context) => {
    refused.noteCall(context, other, ['a']);
    expect(refused.find(context).scopes).toEqual([]);
  });

  it.each([
    ['nobody', undefined, 'Bearer'],
    ['a caller', alice, 'Bearer'],
    ['a caller with a certificate', withCertificate, 'Bearer'],
    ['a caller with DPoP', bound, 'DPoP'],
  ])('is its call and its body if nothing was noted: %s', (_who, auth, scheme) => {
    expect(refused.find({}, callOf(auth), { jsonrpc: '2.0', id: 7, method: 'ping' })).toEqual({
      resource: other,
      scopes: [],
      body,
      caller: auth,
      scheme,
    });
  });

  it('is the first resource if there is not even a call', () => {
    const nothing = { resource: first, scopes: [], body: readRpcBody(undefined), caller: undefined, scheme: 'Bearer' };
    expect(refused.find({})).toEqual(nothing);
    for (const source of [undefined, null, 'text', 7]) expect(refused.find(source)).toEqual(nothing);
  });
});

describe('the routes of resources', () => {
  const resource = { id: 'acme', identifier: { path: '/orgs/acme/mcp' } } as ResolvedResource;
  const template = readResourceTemplate('https://mcp.example.com/orgs/{tenant}/mcp');
  const ofPath = { id: 'path', identifier: { path: '/orgs/{tenant}/mcp' }, template: { template } } as ResolvedResource;
  const inHost = readResourceTemplate('https://{tenant}.example.com/mcp');
  const ofHost = { id: 'host', identifier: { path: '/mcp' }, template: { template: inHost } } as ResolvedResource;
  const PATTERN = '/orgs/:tenant/mcp';
  const route = (pattern: string | undefined, method: object = {}) => ({ classRef: {}, method, pattern });
  const request = (url: string, pattern: string): HttpRequest =>
    ({ method: 'POST', url, headers: {}, route: { path: pattern } }) as unknown as HttpRequest;
  let routes: ResourceRoutes;
  beforeEach(() => {
    routes = new ResourceRoutes();
  });

  const refusalOf = (checked: HttpRequest, at = resource): unknown => {
    try {
      routes.checkPath(checked, at);
      return undefined;
    } catch (error) {
      return error;
    }
  };

  it('are known by the id of their resource, those of POST alone', () => {
    const post = route(PATTERN);
    const get = route('/orgs/:other/mcp');
    routes.note(post, resource);
    routes.noteOther(get, { ...resource, id: 'get' });
    expect([routes.of('acme'), routes.of('get')]).toEqual([post, undefined]);
    expect([post, get, route(PATTERN)].map(({ method }) => routes.isHandler(method))).toEqual([true, true, false]);
    expect([routes.parameterOf(resource), routes.parameterOf({ ...resource, id: 'get' })]).toEqual([
      PATTERN,
      '/orgs/:other/mcp',
    ]);
    expect(routes.parameterOf(ofPath)).toBeUndefined();
  });

  it('refuse the paths of others that a parameter matches', () => {
    routes.note(route(PATTERN), resource);
    const refusal = refusalOf(request('/orgs/globex/mcp?a', PATTERN));
    expect(refusal).toBeInstanceOf(McpAuthError);
    const { code, reason, seen } = refusal as McpAuthError;
    expect({ code, reason, seen }).toEqual({
      code: 'resource_not_found',
      reason: 'path_of_no_resource',
      seen: { path: '"/orgs/globex/mcp"', route: '"/orgs/:tenant/mcp"' },
    });
    expect(refusalOf(request('/orgs/acme/mcp', PATTERN))).toBeUndefined();
    expect(refusalOf(request('/orgs/acme/mcp/', PATTERN))).toBeUndefined();
    expect(refusalOf(request('/elsewhere', '/elsewhere'))).toBeUndefined();
    expect(refusalOf(request('/orgs/globex/mcp', PATTERN), { ...resource, id: 'another' })).toBeUndefined();
  });

  it('refuse nothing where no parameter matches the paths of others', () => {
    routes.note(route(undefined), resource);
    routes.note(route('/orgs/acme/mcp'), resource);
    expect(routes.parameterOf(resource)).toBeUndefined();
    routes.note(route(PATTERN), ofPath);
    expect(refusalOf(request('/orgs/globex/mcp', PATTERN))).toBeUndefined();
    expect(refusalOf(request('/orgs/globex/mcp', PATTERN), ofPath)).toBeUndefined();
    expect(routes.parameterOf(ofPath)).toBeUndefined();
    routes.note(route('/:any'), ofHost);
    expect(routes.parameterOf(ofHost)).toBe('/:any');
  });
});
