import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Sse, type MessageEvent } from '@nestjs/common';
import { NEVER, startWith, type Observable } from 'rxjs';
import { McpAuthService, RequireScopes, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { ACCESS_TOKEN, API_KEY, OTHER_KEY, testCredentials, type TestCredentials } from '../support/api-keys.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { closeAtOnce, startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';

// How long credentials of the application are good, and what is remembered of them.

const issuer = { alg: 'ES256' } as const;
const KEY = { 'x-api-key': API_KEY };

@Controller('stream')
class StreamController {
  @Sse()
  @RequireScopes('a')
  stream(): Observable<MessageEvent> {
    return NEVER.pipe(startWith({ data: 'first' }));
  }
}

describe.each(PLATFORMS)('the lifetime of credentials, on %s', (platform) => {
  let server: NotesServer | undefined;
  let credentials: TestCredentials;
  afterEach(async () => {
    if (server) await closeAtOnce(server);
    server = undefined;
  });

  async function start(
    more: { cacheSeconds?: number } = {},
    options: Partial<McpAuthModuleOptions> = {},
  ): Promise<NotesServer> {
    credentials = testCredentials(more);
    server = await startNotesServer(platform, {
      issuer,
      controllers: [StreamController],
      options: { credentials: credentials.options, ...options } as never,
    });
    server.clock.now = Math.ceil(server.clock.now / 1000) * 1000;
    return server;
  }
  const setExpiry = (expiresAt: number | undefined): void =>
    void credentials.callers.set(`api-key ${API_KEY}`, { subject: 'alice', scopes: ['a'], expiresAt });
  const expiryOf = async (notes: NotesServer): Promise<number> => {
    credentials.callers.set(`pat ${ACCESS_TOKEN}`, credentials.callers.get(`api-key ${API_KEY}`)!);
    return (await notes.app.get(McpAuthService).verify(ACCESS_TOKEN)).expiresAt;
  };

  it('accepts a credential until it expires, and then refuses it as one that has expired', async () => {
    const notes = await start();
    const seconds = notes.clock.now / 1000;
    setExpiry(seconds + 60);
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
    expect(await expiryOf(notes)).toBe(seconds + 60);
    notes.clock.now += 66_000;
    resetRecorded(notes);
    await expectRefusal(notes, await notes.callTool('ping', undefined, {}, KEY), { status: 401 });
    expectReason(notes, 'expired');
  });

  it('lets a caller without expiry, or with a late one, expire after the longest lifetime of a token', async () => {
    const notes = await start({}, { maxTokenLifetimeSeconds: 600 });
    const seconds = notes.clock.now / 1000;
    for (const expiresAt of [undefined, seconds + 31_536_000, Number.MAX_SAFE_INTEGER]) {
      setExpiry(expiresAt);
      expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
      expect(await expiryOf(notes)).toBe(seconds + 600);
    }
  });

  it('LIB-24: ends a stream when the caller expires', async () => {
    const notes = await start({}, { maxTokenLifetimeSeconds: 600 });
    setExpiry(undefined);
    const response = await fetch(`${notes.origin}/stream`, { headers: KEY });
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('first');
    notes.clock.now += 600_000;
    let isDone = false;
    while (!isDone) isDone = (await reader.read()).done;
    expect(isDone).toBe(true);
  });

  it('remembers nothing by default: a revoked credential is refused at once', async () => {
    const notes = await start();
    await notes.callTool('ping', undefined, {}, KEY);
    await notes.callTool('ping', undefined, {}, KEY);
    expect(credentials.asked).toHaveLength(2);
    credentials.callers.clear();
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(401);
  });

  it('remembers a credential for cacheSeconds, and no refusal', async () => {
    const notes = await start({ cacheSeconds: 30 });
    for (let call = 0; call < 3; call++) expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
    expect(credentials.asked).toHaveLength(1);
    notes.clock.now += 30_000;
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
    expect(credentials.asked).toHaveLength(2);
    const unknown = { 'x-api-key': 'new-key-0123456789' };
    expect((await notes.callTool('ping', undefined, {}, unknown)).status).toBe(401);
    credentials.callers.set('api-key new-key-0123456789', { subject: 'dave', scopes: [] });
    expect((await notes.callTool('ping', undefined, {}, unknown)).status).toBe(200);
  });

  it('remembers no credential past its own expiry', async () => {
    const notes = await start({ cacheSeconds: 3_600 }, { clockToleranceSeconds: 0 });
    setExpiry(notes.clock.now / 1000 + 10);
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
    notes.clock.now += 10_000;
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(401);
  });

  it('remembers a credential for the place it came from only, and each by itself', async () => {
    const notes = await start({ cacheSeconds: 3_600 });
    expect((await notes.callTool('ping', undefined, {}, KEY)).status).toBe(200);
    expect((await notes.callTool('ping', undefined, {}, { 'x-gateway': API_KEY })).status).toBe(401);
    expect((await notes.callTool('write-note', undefined, {}, { 'x-api-key': OTHER_KEY })).status).toBe(200);
    expect((await notes.callTool('write-note', undefined, {}, KEY)).status).toBe(403);
  });

  it('verifies a credential once for concurrent requests', async () => {
    const notes = await start();
    let answer!: () => void;
    const waiting = new Promise<void>((resolve) => (answer = resolve));
    const arrived = new Promise<void>((resolve) => {
      credentials.answer = async () => {
        resolve();
        await waiting;
        return { subject: 'alice', scopes: [] };
      };
    });
    const first = notes.callTool('ping', undefined, {}, KEY);
    await arrived;
    const service = notes.app.get(McpAuthService);
    const same = [service.verify(ACCESS_TOKEN), service.verify(ACCESS_TOKEN)];
    answer();
    await Promise.all(same);
    expect((await first).status).toBe(200);
    expect(credentials.asked).toEqual([
      ['api-key', API_KEY],
      ['pat', ACCESS_TOKEN],
    ]);
  });
});
