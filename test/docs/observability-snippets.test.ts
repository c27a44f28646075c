import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { McpAuthService } from 'nestjs-mcp-auth';
import { REFUSAL_ADVICE } from '../../lib/observability/refusal-advice.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { AuditLog, reasons, redactNote } from './observability-snippets.js';

describe('docs/guides/observability.md', () => {
  let server: NotesServer;
  beforeAll(async () => {
    server = await startNotesServer('express', {
      providers: [AuditLog],
      options: { eventArguments: redactNote },
    });
  });
  afterAll(() => server.close());

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

  it('names every reason, at the level it has', async () => {
    const page = await readFile(new URL('../../docs/guides/observability.md', import.meta.url), 'utf8');
    const listed = [...page.matchAll(/^\| `(warn|log|debug)` \| [^|]+ \| (.+) \|$/gm)].flatMap(
      ([, level, reasonsOf = '']) => [...reasonsOf.matchAll(/`(\w+)`/g)].map(([, reason]) => [reason, level]),
    );
    const levels = Object.entries(REFUSAL_ADVICE).map(([reason, { level }]) => [reason, level]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(levels));
  });
});
