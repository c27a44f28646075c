import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { Attributes } from '@opentelemetry/api';
import { AggregationTemporality, type Histogram, InMemoryMetricExporter } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { McpSession } from '../demo-client/mcp-session.js';
import { Transcript } from '../demo-client/transcript.js';
import { platform } from '../notes-server/platform.js';
import { startNotesServer } from '../notes-server/servers.js';
import { createApp } from './app.js';
import { startTelemetry } from './telemetry.js';

const meters = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const spans = new InMemorySpanExporter();
const telemetry = startTelemetry(meters, spans);
const servers = await startNotesServer(async () => createApp(await platform()), { mcp: 0, authorizationServer: 0 });
const session = new McpSession(servers.resource, servers.users[0]!, { pin: '2026-07-28' });
const { step } = new Transcript();

/** The latest values of a metric, with their labels. */
async function valuesOf(metric: string): Promise<readonly { attributes: Attributes; value: unknown }[]> {
  await telemetry.flush();
  const latest =
    meters
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  return latest.filter(({ descriptor }) => descriptor.name === metric).flatMap(({ dataPoints }) => [...dataPoints]);
}

/** Number of counted decisions with these labels. */
async function decisions(decision: string, reason?: string): Promise<number> {
  const values = await valuesOf('mcp_auth.decisions');
  const counted = values.filter(
    ({ attributes }) => attributes['mcp_auth.decision'] === decision && attributes['mcp_auth.reason'] === reason,
  );
  return counted.reduce((sum, { value }) => sum + Number(value), 0);
}

/** The attributes of a span. The span ends shortly after the client has its answer. */
async function spanWith(name: string, value: RegExp): Promise<Attributes> {
  for (let turn = 0; turn < 1_000; turn++) {
    const all = spans.getFinishedSpans().map(({ attributes }) => attributes);
    const found = all.find((attributes) => value.test(String(attributes[name])));
    if (found) return found;
    await setImmediate();
  }
  throw new Error(`no span has ${name} ${value}`);
}

async function health() {
  const response = await fetch(new URL('/health', servers.resource));
  const { details } = (await response.json()) as { details: { 'mcp-auth': object } };
  return { code: response.status, ...details['mcp-auth'] };
}

async function observe(): Promise<void> {
  await step('Health, before the first token: up', async () => {
    const seen = await health();
    assert.equal(seen.code, 200);
    assert.match(JSON.stringify(seen), /"status":"up"/);
    return [JSON.stringify(seen)];
  });

  await step('A call without a token is refused: the metric and the span have the reason', async () => {
    assert(await session.needsUser(() => session.connect()));
    assert.equal(await decisions('refused', 'no_credentials'), 1);
    const span = await spanWith('mcp_auth.reason', /^no_credentials$/);
    assert.equal(span['http.response.status_code'], 401);
    return [JSON.stringify(span)];
  });

  await step('A call with a token is admitted: the metric counts it, and the span has the caller', async () => {
    await session.authorize();
    await session.connect();
    const before = await decisions('admitted');
    await session.call('whoami');
    assert.equal(await decisions('admitted'), before + 1);
    const span = await spanWith('gen_ai.tool.name', /^whoami$/);
    assert.match(String(span['user.hash']), /^[\w-]{43}$/);
    assert.equal(span['mcp_auth.outcome'], 'ok');
    return [JSON.stringify(span)];
  });

  await step('The duration of the call is in the metric of the semantic conventions', async () => {
    const values = await valuesOf('mcp.server.operation.duration');
    const calls = values.filter(({ attributes }) => attributes['gen_ai.tool.name'] === 'whoami');
    assert.equal(calls.length, 1);
    assert.equal((calls[0]!.value as Histogram).count, 1);
    return [JSON.stringify(calls[0]!.attributes)];
  });

  await step('A missing scope and the step-up: the metrics have both, with the duration', async () => {
    assert(await session.needsUser(() => session.call('add-note', { text: 'Buy milk' })));
    assert.equal(await decisions('refused', 'scope_missing'), 1);
    assert.equal((await spanWith('mcp_auth.reason', /^scope_missing$/))['gen_ai.tool.name'], 'add-note');
    await session.authorize();
    await session.call('add-note', { text: 'Buy milk' });
    const [stepUp] = await valuesOf('mcp_auth.step_up.duration');
    assert(stepUp);
    const { count, sum } = stepUp.value as Histogram;
    assert.equal(count, 1);
    return [`${count} step-up, of ${sum} s`];
  });

  await step('Health: the keys are known', async () => {
    const seen = await health();
    assert.equal(seen.code, 200);
    assert.match(JSON.stringify(seen), /"state":"ready","keys":\d+,"ageSeconds":\d+/);
    return [JSON.stringify(seen)];
  });

  await step('The exported data contains nothing of the token', () => {
    const token = session.oauth.tokens()?.access_token ?? '';
    const exported = JSON.stringify([
      meters.getMetrics(),
      spans.getFinishedSpans().map(({ name, attributes, events }) => ({ name, attributes, events })),
    ]);
    const secrets = [token, ...token.split('.')].filter((part) => part.length >= 16);
    assert(secrets.length >= 4);
    assert(!secrets.some((secret) => exported.includes(secret)), 'a token was exported');
    return [`${exported.length} characters were exported`];
  });
}

try {
  await observe();
  console.log('\nAll as expected.');
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  await session.close();
  await servers.close();
  await telemetry.shutdown();
}
