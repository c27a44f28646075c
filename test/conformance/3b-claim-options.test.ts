import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, McpAuthService } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectRejected, whoami } from '../support/tokens.js';

describe.each(PLATFORMS)('settings that concern claims, on %s', (platform) => {
  let issuer: TestIssuer;
  let server: NotesServer | undefined;
  const now = (): number => server?.clock.now ?? Date.now();
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', now });
  });
  afterAll(() => issuer.close());
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  const start = async (options: object): Promise<NotesServer> => {
    server = await startNotesServer(platform, { sharedIssuer: issuer, options });
    server.clock.now = Math.ceil(server.clock.now / 1000) * 1000;
    return server;
  };

  it.each([
    { audience: [] },
    { audience: '' },
    { audience: [''] },
    { audience: null },
    { audience: false },
    { audience: [7] },
    { audience: {} },
  ])('RFC9068-4-c: does not start with %j: the check cannot be turned off', async (options) => {
    const started = start(options);
    await expect(started).rejects.toThrow(McpAuthConfigError);
    await expect(started).rejects.toThrow('audience');
  });

  it('RFC9068-4-c: without an audience in the options requires the resource identifier', async () => {
    const notes = await start({ audience: undefined });
    await expectAccepted(notes, await notes.mint());
    await expectRejected(notes, await notes.mint({ aud: undefined }), 'audience_missing');
    await expectRejected(notes, await notes.mint({ aud: notes.origin }), 'audience_rejected');
  });

  it('RFC9068-4-c: takes the configured audiences instead of the resource identifier, not besides', async () => {
    const notes = await start({ audience: ['api://notes', 'urn:notes'] });
    await expectAccepted(notes, await notes.mint({ aud: 'api://notes' }));
    await expectAccepted(notes, await notes.mint({ aud: ['x', 'urn:notes'] }));
    await expectRejected(notes, await notes.mint(), 'audience_rejected');
    await expectRejected(notes, await notes.mint({ aud: 'API://notes' }), 'audience_rejected');
  });

  it('RFC9068-4-e: the tolerance can be changed, down to none', async () => {
    const notes = await start({ clockToleranceSeconds: 0 });
    const seconds = notes.clock.now / 1000;
    await expectRejected(notes, await notes.mint({ exp: seconds }), 'expired');
    await expectAccepted(notes, await notes.mint({ exp: seconds + 1 }));
    await expectRejected(notes, await notes.mint({ nbf: seconds + 1 }), 'not_yet_valid');
  });

  it.each([301, 3600, -1, 0.5, '5', Number.NaN])(
    'RFC9068-4-e: does not start with a tolerance of %p seconds',
    async (value) => {
      const started = start({ clockToleranceSeconds: value });
      await expect(started).rejects.toThrow(McpAuthConfigError);
      await expect(started).rejects.toThrow('clockToleranceSeconds');
    },
  );

  it('RFC7519-4.1.4-a: the longest lifetime can be changed', async () => {
    const notes = await start({ maxTokenLifetimeSeconds: 600, clockToleranceSeconds: 0 });
    const seconds = notes.clock.now / 1000;
    await expectAccepted(notes, await notes.mint({ exp: seconds + 600 }));
    await expectRejected(notes, await notes.mint({ exp: seconds + 601 }), 'lifetime_too_long');
  });

  it('RFC9068-2.2-a: reads subject and client from the claims that are configured for the issuer', async () => {
    const claims = { subject: ['uid', 'sub'], clientId: 'app' };
    const notes = await start({ authorizationServers: [{ issuer: issuer.issuer, claims }] });
    const token = await notes.mint({ uid: 'u-1', app: 'web' });
    expect(await whoami(notes, token)).toMatchObject({ subject: 'u-1', clientId: 'web' });
    const { principalKey } = await notes.app.get(McpAuthService).verify(await notes.mint({ sub: 'u-1' }));
    expect(await whoami(notes, token)).toMatchObject({ principalKey });
  });
});
