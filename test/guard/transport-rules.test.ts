import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthInfo } from 'nestjs-mcp-auth';
import type { AccessRequest } from '../../lib/authorization/access-request.js';
import type { CallerAt } from '../../lib/authorization/caller-key.js';
import type { EventOwners } from '../../lib/authorization/event-owners.js';
import type { SessionOwners } from '../../lib/authorization/session-owners.js';
import type { SharedSessions } from '../../lib/authorization/shared-sessions.js';
import { TaskOwners } from '../../lib/authorization/task-owners.js';
import { TransportRules } from '../../lib/authorization/transport-rules.js';
import { readResourceIdentifier } from '../../lib/core/resource.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import type { HttpRequest } from '../../lib/request/http-message.js';
import { readRpcBody } from '../../lib/request/rpc-body.js';

const resource = {
  identifier: readResourceIdentifier('https://mcp.example.com/mcp'),
  operationScopes: [],
} as unknown as ResolvedResource;
const withOperations = { ...resource, operationScopes: [{}] } as unknown as ResolvedResource;
const tenant = {
  ...resource,
  identifier: readResourceIdentifier('https://acme.example.com/acme'),
  tenant: {},
} as unknown as ResolvedResource;
const auth = { principalKey: 'alice' } as McpAuthInfo;

/** What sessions, events and tasks were asked, in order. */
let asked: string[] = [];
let sharedAreOn = false;
const note = (what: string, id: string, by: CallerAt): void =>
  void asked.push(`${what} ${id}${by.auth === auth && by.resource === resource ? '' : ' of another'}`);
const sessions = { has: (id: string) => id === 'known', check: note.bind(undefined, 'session') };
const shared = {
  get areOn(): boolean {
    return sharedAreOn;
  },
  check: async (id: string, by: CallerAt): Promise<void> => {
    await Promise.resolve();
    note('shared', id, by);
  },
};
const events = { check: note.bind(undefined, 'event') };

function rulesOf(...resources: readonly ResolvedResource[]): TransportRules {
  const options = { resources, allowedOrigins: [], tasks: 'bound' } as unknown as ResolvedOptions;
  return new TransportRules(
    options,
    sessions as unknown as SessionOwners,
    shared as unknown as SharedSessions,
    new TaskOwners(options),
    events as unknown as EventOwners,
  );
}

interface Sent {
  readonly url?: string;
  readonly body?: unknown;
  /** Repeated fields as lists. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** Node's request. Its body has been read, unless there is no `body` although the headers announce one. */
function requestOf({ url = '/mcp', body, headers = {} }: Sent): HttpRequest {
  const rawHeaders = Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((one) => [name, one]));
  const joined = Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name, typeof values === 'string' ? values : values[0]]),
  );
  return { method: 'POST', url, headers: joined, rawHeaders, body } as HttpRequest;
}

function accessOf(request: HttpRequest, handler: object, at = resource): AccessRequest {
  return { body: readRpcBody(request.body), handler, caller: auth, server: { resource: at } } as AccessRequest;
}

function outcomeOf(checked: () => unknown): unknown {
  try {
    return checked();
  } catch (error) {
    if (!(error instanceof McpAuthError)) throw error;
    return `${error.code}, ${error.reason}`;
  }
}

const message = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', id: 1, method, params });
const LIST = message('tools/list');
const OF_2026 = message('tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } });
const FOREIGN = 'origin_rejected, origin_not_allowed';
const UNREAD = 'body_not_parsed, body_unseen';
const JSON_UNREAD = { 'content-type': 'application/json', 'content-length': '9' };
const STREAM = { accept: 'application/json, text/event-stream' };

beforeEach(() => {
  asked = [];
  sharedAreOn = false;
});

describe('requests of foreign pages', () => {
  const evil = { origin: 'https://evil.example', host: 'mcp.example.com' };
  const check = (sent: Sent, at = resource): unknown => {
    const request = requestOf(sent);
    const rules = rulesOf(resource);
    return outcomeOf(() => rules.checkOrigin(request, request, accessOf(request, {}, at)));
  };

  it.each<[string, Sent, unknown]>([
    ['at the endpoint', { headers: evil }, FOREIGN],
    ['at another spelling of it', { url: '/MCP/', headers: evil }, FOREIGN],
    ['with a message of JSON-RPC elsewhere', { url: '/else', body: LIST, headers: evil }, FOREIGN],
    ['with a field of MCP elsewhere', { url: '/else', headers: { ...evil, 'mcp-session-id': 's' } }, FOREIGN],
    ['elsewhere', { url: '/else', headers: evil }, undefined],
    ['of the own page', { headers: { ...evil, origin: 'https://mcp.example.com' } }, undefined],
    ['without an origin', { headers: { host: 'mcp.example.com' } }, undefined],
    ['with a foreign host', { headers: { host: 'evil.example' } }, FOREIGN],
    ['with two hosts', { headers: { host: ['mcp.example.com', 'mcp.example.com'] } }, FOREIGN],
    [
      'with two origins',
      { headers: { host: 'mcp.example.com', origin: ['https://mcp.example.com', 'null'] } },
      FOREIGN,
    ],
  ])('%s', (_where, sent, expected) => {
    expect(check(sent)).toBe(expected);
  });

  it('are those of other tenants, too', () => {
    const headers = { origin: 'https://mcp.example.com', host: 'acme.example.com' };
    expect(check({ url: '/acme', headers }, tenant)).toBe(FOREIGN);
    expect(check({ url: '/acme', headers: { ...headers, origin: 'https://acme.example.com' } }, tenant)).toBe(
      undefined,
    );
    expect(check({ url: '/mcp', headers }, tenant)).toBe(undefined);
  });

  it.each<[Sent['headers'], object]>([
    [evil, { Origin: '["https://evil.example"]', Host: '"mcp.example.com"' }],
    [{ host: 'evil.example' }, { Origin: '[]', Host: '"evil.example"' }],
    [
      { host: ['a', 'b'], origin: ['c', 'd'] },
      { Origin: '["c", "d"]', Host: '["a", "b"]' },
    ],
    [{ origin: 'null' }, { Origin: '["null"]', Host: 'null' }],
  ])('are refused with what was seen: %j', (headers = {}, seen) => {
    const request = requestOf({ headers });
    let refusal: unknown;
    try {
      rulesOf(resource).checkOrigin(request, request, accessOf(request, {}));
    } catch (error) {
      refusal = error;
    }
    expect((refusal as McpAuthError).seen).toEqual(seen);
  });
});

describe('requests of the MCP transport', () => {
  const OTHER = message('eth_call');
  const url = '/else';
  it.each<[string, Sent, boolean]>([
    ['at the endpoint', {}, true],
    ['with a field of MCP', { url, headers: { 'mcp-protocol-version': '2025-11-25' } }, true],
    ['with a message of MCP', { url, body: LIST }, true],
    ['with a message of MCP among others', { url, body: [OTHER, LIST] }, true],
    ['with a message of another API', { url, body: OTHER }, false],
    ['with one that is JSON and accepts events', { url, body: OTHER, headers: { ...JSON_UNREAD, ...STREAM } }, true],
    ['with one that accepts events, and is no JSON', { url, body: OTHER, headers: STREAM }, false],
    ['with one that is JSON', { url, body: OTHER, headers: JSON_UNREAD }, false],
    ['with one that names a session', { url: '/else?sessionId=s', body: OTHER, headers: JSON_UNREAD }, true],
    ['with one that has a known session', { url: '/else?c=known', body: OTHER, headers: JSON_UNREAD }, true],
    ['with one that has something else', { url: '/else?c=other', body: OTHER, headers: JSON_UNREAD }, false],
    ['with an unread body', { url, headers: { ...JSON_UNREAD, ...STREAM } }, true],
    ['with an unread body that is no JSON', { url, headers: { 'content-length': '9', ...STREAM } }, false],
    [
      'without a body',
      { url, headers: { 'content-type': 'application/json', 'content-length': '0', ...STREAM } },
      false,
    ],
    ['with a read body that is no message', { url, body: { a: 1 }, headers: { ...JSON_UNREAD, ...STREAM } }, false],
  ])('%s', (_what, sent, expected) => {
    expect(rulesOf(resource).isMcpRequest(requestOf(sent))).toBe(expected);
  });
});

describe('messages of authenticated callers', () => {
  class Handlers {
    handle(): void {}
    sse(): void {}
  }
  Reflect.defineMetadata('__sse__', true, Handlers.prototype.sse);

  const check = (sent: Sent, { at = [resource], handler = Handlers.prototype.handle as object } = {}): unknown => {
    const request = requestOf(sent);
    return outcomeOf(() => rulesOf(...at).checkMessage(request, accessOf(request, handler)));
  };
  const url = '/else';
  const BYTES = new Uint8Array(9);

  it.each<[string, Sent, unknown]>([
    ['at the endpoint', { headers: JSON_UNREAD }, UNREAD],
    ['at the endpoint, whatever its type', { headers: { 'content-length': '9' } }, UNREAD],
    ['at the endpoint, as text', { body: '{}' }, UNREAD],
    ['elsewhere, with a field of MCP', { url, headers: { 'content-length': '9', 'mcp-method': 'x' } }, UNREAD],
    ['elsewhere, as JSON for the transport', { url, headers: { ...JSON_UNREAD, ...STREAM } }, UNREAD],
    [
      'elsewhere, as JSON of another type',
      { url, headers: { ...JSON_UNREAD, ...STREAM, 'content-type': 'a/b+JSON' } },
      UNREAD,
    ],
    ['elsewhere, as JSON for a session', { url: '/else?session_id=s', headers: JSON_UNREAD }, UNREAD],
    ['elsewhere, as JSON', { url, headers: JSON_UNREAD }, undefined],
    [
      'elsewhere, as an upload',
      { url, headers: { 'content-type': 'a/b', 'content-length': '9', ...STREAM } },
      undefined,
    ],
    ['elsewhere, as text that is no message', { url, body: 'text', headers: { ...JSON_UNREAD, ...STREAM } }, undefined],
    ['elsewhere, as text that may be one', { url, body: ' [', headers: { ...JSON_UNREAD, ...STREAM } }, UNREAD],
    ['nowhere: it was read', { body: {} }, undefined],
    ['nowhere: there is none', {}, undefined],
  ])('have a body that was read: %s', (_where, sent, expected) => {
    expect(check(sent)).toBe(expected);
  });

  it('have a body that was read, as any JSON, if the options name operations', () => {
    const at = [resource, withOperations];
    expect(check({ url, headers: JSON_UNREAD }, { at })).toBe(UNREAD);
    expect(check({ url, headers: { 'content-length': '9' } }, { at })).toBe(undefined);
    expect(check({ url, body: 'text', headers: JSON_UNREAD }, { at })).toBe(undefined);
  });

  it.each<[unknown, Sent['headers'], object]>([
    [undefined, JSON_UNREAD, { 'Content-Type': '"application/json"', body: '"undefined"' }],
    ['{}', {}, { 'Content-Type': 'null', body: '"string"' }],
    [BYTES, {}, { 'Content-Type': 'null', body: '"bytes"' }],
  ])('are refused with the type of the body alone: %j', (body, headers = {}, seen) => {
    const request = requestOf({ body, headers });
    let refusal: unknown;
    try {
      void rulesOf(resource).checkMessage(request, accessOf(request, Handlers.prototype.handle));
    } catch (error) {
      refusal = error;
    }
    expect((refusal as McpAuthError).seen).toEqual(seen);
  });

  const MANY = Array.from({ length: 101 }, () => LIST);
  const OLD = { 'mcp-protocol-version': '2025-03-26' };
  const NEW = { 'mcp-protocol-version': '2025-11-25' };
  const SUBSCRIPTION = message('subscriptions/listen', {
    notifications: { resourceSubscriptions: Array.from({ length: 1_001 }, (_none, index) => `a://${index}`) },
  });
  it.each<[string, Sent, unknown]>([
    ['headers that match', { body: LIST, headers: { 'mcp-method': 'tools/list' } }, undefined],
    [
      'headers that contradict',
      { body: LIST, headers: { 'mcp-method': 'tools/call' } },
      'header_mismatch, headers_contradict_body',
    ],
    ['a batch', { body: [LIST, LIST], headers: OLD }, undefined],
    ['a batch of no version', { body: [LIST] }, undefined],
    ['a batch of a later version', { body: [LIST], headers: NEW }, 'batch_rejected, batch_not_allowed'],
    ['one message of a later version', { body: LIST, headers: NEW }, undefined],
    ['too many messages', { body: MANY, headers: OLD }, 'batch_rejected, too_many_messages'],
    ['too many operations', { body: SUBSCRIPTION }, 'batch_rejected, too_many_operations'],
  ])('may have %s', (_what, sent, expected) => {
    expect(check(sent)).toBe(expected);
    expect(asked).toEqual([]);
  });

  const STATE = { 'mcp-session-id': 's', 'last-event-id': 'e' };
  it.each<[string, Sent, readonly string[]]>([
    ['in fields', { body: LIST, headers: STATE }, ['session s', 'event e']],
    ['in fields without a body', { headers: STATE }, ['session s', 'event e']],
    ['a session', { body: LIST, headers: { 'mcp-session-id': 's' } }, ['session s']],
    ['an event', { headers: { 'last-event-id': 'e' } }, ['event e']],
    ['in the URL', { url: '/else?a=known&sessionId=s&b=other', body: LIST }, ['session s', 'session known']],
    ['in both', { url: '/else?a=known', body: LIST, headers: STATE }, ['session known', 'session s', 'event e']],
    ['nothing', { body: LIST }, []],
    ['nothing, since there are no sessions in 2026', { body: OF_2026, headers: STATE }, []],
    ['nothing, if one message of a batch is of 2026', { body: [LIST, OF_2026], headers: STATE }, []],
    ['in the URL, also in 2026', { url: '/else?sessionId=s', body: OF_2026 }, ['session s']],
    ['no session in the URL of a request without a message', { url: '/mcp?sessionId=s' }, []],
  ])('name what is theirs: %s', (_how, sent, expected) => {
    expect(check(sent)).toBe(undefined);
    expect(asked).toEqual(expected);
  });

  it('lose the fields of a session in 2026, which the framework must not see', () => {
    const request = requestOf({ body: OF_2026, headers: STATE });
    void rulesOf(resource).checkMessage(request, accessOf(request, Handlers.prototype.handle));
    expect([request.headers, request.rawHeaders]).toEqual([{}, []]);
    const earlier = requestOf({ body: LIST, headers: STATE });
    void rulesOf(resource).checkMessage(earlier, accessOf(earlier, Handlers.prototype.handle));
    expect(earlier.headers).toEqual(STATE);
  });

  it('show the framework the fields that were checked, as the application sees them', () => {
    const request = requestOf({ body: LIST, headers: STATE });
    Object.assign(request.headers, { 'mcp-session-id': 'other' });
    void rulesOf(resource).checkMessage(request, accessOf(request, Handlers.prototype.handle));
    expect(asked).toEqual(['session other', 'event e']);
    expect(request.rawHeaders).toEqual(['last-event-id', 'e', 'mcp-session-id', 'other']);
  });

  it('name the events of the application where Nest writes the stream', () => {
    expect(check({ headers: STATE }, { handler: Handlers.prototype.sse })).toBe(undefined);
    expect(asked).toEqual(['session s']);
  });

  it('name sessions that replicas share, if there is a store', async () => {
    sharedAreOn = true;
    const checked = check({ body: LIST, headers: STATE });
    expect(asked).toEqual([]);
    await checked;
    expect(asked).toEqual(['shared s', 'event e']);
    asked = [];
    expect(check({ headers: { 'last-event-id': 'e' } })).toBe(undefined);
    expect(asked).toEqual(['event e']);
  });

  it('name a session by all values of its field, as Node joins them', () => {
    const request = requestOf({ body: LIST });
    Object.assign(request.headers, { 'mcp-session-id': ['a', 'b'] });
    void rulesOf(resource).checkMessage(request, accessOf(request, Handlers.prototype.handle));
    expect(asked).toEqual(['session a, b']);
  });

  it('name nothing if the platform does not say the target', () => {
    const request = requestOf({ body: LIST });
    Object.assign(request, { url: undefined });
    void rulesOf(resource).checkMessage(request, accessOf(request, Handlers.prototype.handle));
    expect(asked).toEqual([]);
  });

  it('may not list tasks on the stream of another request', () => {
    const body = message('tasks/list');
    const REFUSED = 'access_denied, task_list_elsewhere';
    expect(check({ url: '/else?sessionId=s', body })).toBe(REFUSED);
    expect(check({ url: '/else?a=known', body })).toBe(REFUSED);
    expect(check({ url: '/else?a=b', body })).toBe(undefined);
  });

  it('name the operations that created their tasks', () => {
    const rules = rulesOf(resource);
    const ask = (body: unknown): unknown => {
      const request = requestOf({ body });
      return outcomeOf(() => rules.creatorsOf(request, accessOf(request, {})));
    };
    expect([ask(undefined), ask(LIST)]).toEqual([[], []]);
    expect(ask(message('tasks/get', { taskId: '1' }))).toBe('task_not_found, task_unknown');
    // What is no message of JSON-RPC reaches no task.
    expect(ask({ method: 'tasks/get', params: { taskId: '1' } })).toEqual([]);
  });
});
