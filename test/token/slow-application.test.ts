import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { fakeTimeouts } from '../support/fake-timeouts.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';
import { until } from '../support/until.js';

// Functions of the application that verification waits for, and that do not answer: LIB-11.

const TIME_LIMIT_MS = 5_000;
const MAX_VERIFICATIONS = 256;

describe.each(PLATFORMS)('a function of the application that does not answer, on %s', (platform) => {
  let server: NotesServer;
  afterEach(async () => {
    jest.useRealTimers();
    await server.close();
  });

  async function start(options: object): Promise<void> {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: options as Partial<McpAuthModuleOptions>,
    });
    fakeTimeouts();
  }

  it('LIB-11: trustedIssuer is given up after five seconds, and asked again', async () => {
    const asked: string[] = [];
    await start({ trustedIssuer: (issuer: string) => new Promise(() => asked.push(issuer)) });
    for (let round = 1; round <= 2; round++) {
      const token = await server.mint({ iss: 'https://tenant.example' });
      resetRecorded(server);
      const answer = server.callTool('ping', token);
      await until(() => asked.length === round);
      jest.advanceTimersByTime(TIME_LIMIT_MS);
      await expectRefusal(server, await answer, { status: 503, token });
      expectReason(server, 'issuer_lookup_failed');
    }
  });

  it('LIB-11: a verifier is given up after five seconds, and 256 calls of it are under way at most', async () => {
    const asked: string[] = [];
    await start({ verifier: (token: string) => new Promise(() => asked.push(token)) });
    resetRecorded(server);
    const answers = Array.from({ length: MAX_VERIFICATIONS }, (_, index) => server.callTool('ping', `token-${index}`));
    await until(() => asked.length === MAX_VERIFICATIONS);
    const oneMore = await server.callTool('ping', 'one-more');
    await expectRefusal(server, oneMore, { status: 503, token: 'one-more' });
    expectReason(server, 'verifier_unavailable');
    expect(asked).toHaveLength(MAX_VERIFICATIONS);
    jest.advanceTimersByTime(TIME_LIMIT_MS);
    expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([503]));
  });
});
