import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Histogram } from '@opentelemetry/sdk-metrics';
import { McpAuthError, McpAuthService } from 'nestjs-mcp-auth';
import { McpAuthOpenTelemetryModule } from 'nestjs-mcp-auth/opentelemetry';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectNoTrace } from '../support/expectations.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { endsOf, Telemetry } from '../support/telemetry.js';

const DECISIONS = 'mcp_auth.decisions';
const OPERATIONS = 'mcp.server.operation.duration';

describe.each(PLATFORMS)('the metrics of nestjs-mcp-auth/opentelemetry, on %s', (platform) => {
  let telemetry: Telemetry;
  let server: NotesServer;
  let tenant: TestIssuer;
  let ended: () => Promise<void>;
  beforeAll(async () => {
    tenant = await TestIssuer.start({ now: () => server.clock.now });
  });
  afterAll(() => tenant.close());
  beforeEach(async () => {
    telemetry = Telemetry.start();
    server = await startNotesServer(platform, {
      imports: [McpAuthOpenTelemetryModule],
      options: { trustedIssuer: (issuer: string) => (issuer === tenant.issuer ? { issuer } : undefined) },
      tools: [
        givenTool('slow', {}, () => {
          server.clock.now += 1_500;
          return { content: [] };
        }),
        givenTool('broken', {}, () => ({ isError: true, content: [] })),
        givenTool('late', { scopes: ['a'] }, () => {
          throw McpAuthError.insufficientScope('z');
        }),
      ],
    });
    ended = endsOf(server.app);
  });
  afterEach(async () => {
    await server.close();
    await telemetry.stop();
  });

  const call = async (name: string, token?: string): Promise<void> => {
    await (await server.callTool(name, token)).text();
    await ended();
  };

  it('count decisions by outcome, reason and resource', async () => {
    const token = await server.mint({ scope: 'a' });
    await call('ping', token);
    await call('ping', token);
    await call('write-note', token);
    await call('ping');
    await fetch(`${server.origin}/plain`, { headers: bearer(token) });
    const resource = { 'mcp_auth.resource': server.resource };
    const values = (await telemetry.series(DECISIONS)).map(({ attributes, value }) => ({ attributes, value }));
    expect(values).toEqual(
      expect.arrayContaining([
        { attributes: { 'mcp_auth.decision': 'admitted', ...resource }, value: 3 },
        { attributes: { 'mcp_auth.decision': 'refused', 'mcp_auth.reason': 'scope_missing', ...resource }, value: 1 },
        { attributes: { 'mcp_auth.decision': 'refused', 'mcp_auth.reason': 'no_credentials', ...resource }, value: 1 },
      ]),
    );
    expect(values).toHaveLength(3);
    expect(await telemetry.sum('mcp_auth.decision.duration')).toBe(5);
  });

  it('measure operations as the semantic conventions say, in seconds and with their buckets', async () => {
    await call('slow', await server.mint());
    const metric = (await telemetry.metrics()).find(({ descriptor }) => descriptor.name === OPERATIONS)!;
    expect(metric.descriptor.unit).toBe('s');
    const [series] = await telemetry.series(OPERATIONS);
    expect(series!.attributes).toEqual({
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'slow',
      'network.transport': 'tcp',
      'mcp_auth.resource': server.resource,
    });
    const { count, sum, buckets } = series!.value as Histogram;
    expect({ count, sum }).toEqual({ count: 1, sum: 1.5 });
    expect(buckets.boundaries).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]);
  });

  it('name the error of an operation that failed', async () => {
    const token = await server.mint({ scope: 'a' });
    await call('broken', token);
    await call('late', token);
    await (await server.rpc('prompts/get', { name: 'made-up' }, bearer(token))).text();
    await ended();
    const errorOf = async (more: object): Promise<unknown[]> =>
      (await telemetry.series(OPERATIONS, { ...more })).map(({ attributes }) => [
        attributes['error.type'],
        attributes['rpc.response.status_code'],
      ]);
    expect(await errorOf({ 'gen_ai.tool.name': 'broken' })).toEqual([['tool_error', undefined]]);
    expect(await errorOf({ 'gen_ai.tool.name': 'late' })).toEqual([['403', undefined]]);
    const [[type, code]] = (await errorOf({ 'mcp.method.name': 'prompts/get' })) as [[string, string]];
    expect(type).toMatch(/^-32\d{3}$/);
    expect(code).toBe(type);
  });

  it('have no other series whatever names, methods, clients and users come', async () => {
    const count = async (): Promise<number> =>
      (await telemetry.metrics()).reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
    const sendAll = async (text: string): Promise<void> => {
      const token = await server.mint({ sub: text, client_id: text });
      await call(text, token);
      await call(text, await server.mint({ client_id: text, aud: text }));
      await (await server.rpc(text, {}, bearer(token))).text();
      await (await server.rpc('resources/read', { uri: `${text}://x` }, bearer(token))).text();
      await (await server.rpc('prompts/get', { name: text }, bearer(token))).text();
      await (await fetch(`${server.origin}/plain?${text}`, { headers: bearer(token) })).text();
      await ended();
    };
    await sendAll('made-up-0');
    const before = await count();
    for (let at = 1; at <= 5; at++) await sendAll(`made-up-${at}`);
    expect(await count()).toBe(before);
    expect(JSON.stringify(await telemetry.metrics())).not.toContain('made-up');
    expect(await telemetry.sum(OPERATIONS, { 'gen_ai.tool.name': '_OTHER' })).toBe(6);
    expect(await telemetry.sum(OPERATIONS, { 'mcp.method.name': '_OTHER' })).toBe(6);
  });

  it('hold nothing of a token or of its user', async () => {
    const token = await server.mint({ sub: 'alice', client_id: 'app', email: 'alice@example.com' });
    const { principalKey } = await server.app.get(McpAuthService).verify(token);
    for (const name of ['ping', token, 'forbidden']) await call(name, token);
    await call('ping', `${token}x`);
    const text = JSON.stringify(await telemetry.metrics());
    expectNoTrace(token, { metrics: text });
    for (const one of ['alice', principalKey, '"app"']) expect(text).not.toContain(one);
  });

  it('measure step-ups', async () => {
    const caller = { sub: 'bob', client_id: 'app' };
    await call('write-note', await server.mint({ ...caller, scope: 'a' }));
    server.clock.now += 7_000;
    await call('write-note', await server.mint({ ...caller, scope: 'a b' }));
    const [stepUp] = await telemetry.series('mcp_auth.step_up.duration');
    expect(stepUp!.attributes).toEqual({ 'mcp_auth.resource': server.resource });
    expect(stepUp!.value).toMatchObject({ count: 1, sum: 7 });
  });

  it('follow the state of the issuers', async () => {
    const issuer = { 'mcp_auth.issuer': server.issuer.issuer };
    const state = async (): Promise<unknown> => {
      const current = (await telemetry.series('mcp_auth.issuer.status', issuer)).filter(({ value }) => value === 1);
      expect(current).toHaveLength(1);
      return current[0]!.attributes['mcp_auth.issuer.state'];
    };
    expect(await state()).toBe('not asked yet');
    await call('ping', await server.mint());
    expect(await state()).toBe('ready');
    expect(await telemetry.sum('mcp_auth.issuer.key_fetches', issuer)).toBe(1);
    expect(await telemetry.sum('mcp_auth.issuer.keys', issuer)).toBeGreaterThan(0);
    server.issuer.fail('error');
    server.clock.now += 25 * 3_600_000;
    await call('ping', await server.mint());
    expect(await state()).toBe('unreachable');
    expect(await telemetry.series('mcp_auth.issuer.outages')).toEqual([
      expect.objectContaining({ attributes: { ...issuer, 'mcp_auth.issuer.part': 'keys' }, value: 1 }),
    ]);
    server.issuer.recover();
  });

  it('do not name issuers that the application looks up', async () => {
    await call('ping', await tenant.mint({ aud: server.resource }));
    expect(await telemetry.sum('mcp_auth.issuer.key_fetches', { 'mcp_auth.issuer': '_OTHER' })).toBe(1);
    expect(JSON.stringify(await telemetry.metrics())).not.toContain(tenant.issuer);
  });
});
