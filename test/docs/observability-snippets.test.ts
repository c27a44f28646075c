import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { McpAuthService, type McpAuthErrorCode, type McpAuthReason } from 'nestjs-mcp-auth';
import type { DynamicModule } from '@nestjs/common';
import type { Attributes } from '@opentelemetry/api';
import { statusOf } from '../../lib/core/error.js';
import { REASONS } from '../../lib/core/refusal-reasons.js';
import { readOpenTelemetryOptions } from '../../lib/options/opentelemetry-options.js';
import { ATTRIBUTES } from '../../lib/opentelemetry/semantic-conventions.js';
import { REFUSAL_ADVICE } from '../../lib/observability/refusal-advice.js';
import { givenTool } from '../support/given-tool.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { Telemetry } from '../support/telemetry.js';
import { until } from '../support/until.js';
import { AuditLog, failures, openTelemetry, reasons, redactNote, stopCounting } from './observability-snippets.js';

const PAGE = 'docs/guides/observability.md';
const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The names in the first column of the first table below a heading, in order. */
function rowsOf(page: string, heading: string, column: string): string[] {
  const table = page.slice(page.indexOf(`| ${column} |`, page.indexOf(`${heading}\n`))).split('\n\n')[0]!;
  return [...table.matchAll(/^\| `([\w.-]+)` \|/gm)].map(([, name]) => name!).toSorted();
}

/** The ways in which the library makes a refusal of a code and a reason that its source names. */
const MADE = /McpAuthError\(\s*'(\w+)',\s*'(\w+)'|\b(invalidToken|unavailable)\(\s*'(\w+)'/g;
const CODES: Readonly<Record<string, McpAuthErrorCode>> = {
  invalidToken: 'invalid_token',
  unavailable: 'temporarily_unavailable',
};

/** Each reason with its status, from the sources in a folder. Does not see reasons that are chosen at run time. */
async function refusalsIn(folder: string): Promise<{ reason: string; status: number }[]> {
  const files = await readdir(new URL(`../../${folder}`, import.meta.url), { recursive: true });
  const sources = await Promise.all(
    files.filter((name) => name.endsWith('.ts')).map((name) => read(`${folder}/${name}`)),
  );
  return [...sources.join('\n').matchAll(MADE)].map(([, code, reason, maker = '', ofMaker]) => ({
    reason: (reason ?? ofMaker)!,
    status: statusOf({ code: (code as McpAuthErrorCode | undefined) ?? CODES[maker]! }),
  }));
}

/** What the SDK of OpenTelemetry records of one call. */
async function recordedWith(module: DynamicModule): Promise<{ attributes: Attributes; names: string[] }> {
  const telemetry = Telemetry.start();
  const server = await startNotesServer('express', { imports: [module as never] });
  try {
    const token = await server.mint();
    const attributes = await telemetry.inSpan(async () => {
      await (await server.callTool('ping', token)).text();
    }, server);
    return { attributes, names: (await telemetry.metrics()).map(({ descriptor }) => descriptor.name) };
  } finally {
    await server.close();
    await telemetry.stop();
  }
}

describe('docs/guides/observability.md', () => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer('express', {
      providers: [AuditLog],
      options: { eventArguments: redactNote },
      tools: [givenTool('broken', {}, () => ({ isError: true, content: [] }))],
    });
  });
  afterAll(() => {
    stopCounting();
    return server.close();
  });

  it('has an audit log that works', async () => {
    await server.callTool('write-note', await server.mint({ scope: 'a' }));
    const line = server.log.find((one) => one.includes('"type":"refused"'));
    expect(JSON.parse(line!)).toMatchObject({ reason: 'scope_missing', operations: ['tools/call write-note'] });
  });

  it('has a subscriber to a channel that works', async () => {
    reasons.clear();
    await server.callTool('ping');
    expect([...reasons]).toEqual([['no_credentials', 1]]);
  });

  it('has a count of failures that works', async () => {
    failures.clear();
    const token = await server.mint();
    for (const name of ['broken', 'ping', 'made-up', 'broken']) await (await server.callTool(name, token)).text();
    await until(() => failures.get('broken tool-error') === 2);
    expect([...failures]).toEqual([['broken tool-error', 2]]);
  });

  it('has an import of the module for OpenTelemetry that works', async () => {
    const { attributes, names } = await recordedWith(openTelemetry);
    expect(attributes).toMatchObject({ 'mcp_auth.decision': 'admitted', 'mcp_auth.outcome': 'ok' });
    expect(attributes).not.toHaveProperty('user.hash');
    expect(names).toContain('mcp_auth.decisions');
  });

  it('has a row for each event, and for no other', async () => {
    const source = await read('lib/observability/event-types.ts');
    const types = [...source.matchAll(/^  readonly type: '([\w-]+)';$/gm)].map(([, type]) => type);
    expect(rowsOf(await read(PAGE), '## Events', 'type')).toEqual(types.toSorted());
  });

  it('has a row for each metric, and names each attribute of metrics and spans', async () => {
    const page = await read(PAGE);
    const source = await read('lib/opentelemetry/auth-metrics.ts');
    const metrics = [...source.matchAll(/'(mcp(?:_auth)?\.[\w.]+)'/g)].map(([, name]) => name);
    expect(rowsOf(page, '### Metrics', 'metric')).toEqual(metrics.toSorted());
    const section = page.slice(page.indexOf('## OpenTelemetry'), page.indexOf('## Health'));
    const named = new Set([...section.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name));
    expect(Object.values(ATTRIBUTES).filter((name) => !named.has(name))).toEqual([]);
  });

  it('has a row for each option of the module for OpenTelemetry, with its default', async () => {
    const page = await read(PAGE);
    const defaults = Object.entries(readOpenTelemetryOptions(undefined)).map(([name, value]) => [name, String(value)]);
    const rows = [...page.matchAll(/^\| `(\w+)` \| `([^`]+)` \| [^|]+ \|$/gm)].map(([, name, value]) => [
      name,
      value!.replaceAll("'", ''),
    ]);
    expect(rows.filter(([name]) => defaults.some(([option]) => option === name))).toEqual(defaults);
  });

  it('has a redaction that works', async () => {
    const told: unknown[] = [];
    const subscription = server.app.get(McpAuthService).events$.subscribe((event) => {
      if (event.type === 'authenticated') told.push(event.messages[0]!.arguments);
    });
    const token = await server.mint({ scope: 'a b' });
    await server.callTool('write-note', token, { noteId: 7, text: 'secret' });
    await server.callTool('ping', token, { text: 'secret' });
    subscription.unsubscribe();
    expect(told).toEqual([{ noteId: 7, textLength: 6 }, undefined]);
  });

  it('has a row for each reason, with its level and its sentence, and for no other', async () => {
    const section = (await read(PAGE)).split('\n## Reasons\n')[1]!;
    const rows = section.match(/^\| `.+$/gm) ?? [];
    const needed = Object.entries(REASONS).map(([reason, sentence]) => {
      const { level } = REFUSAL_ADVICE[reason as McpAuthReason];
      return `| \`${reason}\` | … | \`${level}\` | ${sentence} |`;
    });
    expect(rows.map((row) => row.replace(/^(\| `\w+` \|) \d{3} /, '$1 … '))).toEqual(needed);
  });

  it('has the status of each reason with which lib makes an error', async () => {
    const page = await read(PAGE);
    const made = await refusalsIn('lib');
    expect(made.length).toBeGreaterThan(70);
    expect(made.filter(({ reason, status }) => !page.includes(`| \`${reason}\` | ${status} |`))).toEqual([]);
  });
});
