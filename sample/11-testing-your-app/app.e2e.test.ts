import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAppUnderTest } from './app-under-test.js';

const BOTH = 'notes:read notes:write';
const METADATA = 'http://127.0.0.1/.well-known/oauth-protected-resource/mcp';

describe('the notes server', () => {
  let server: Awaited<ReturnType<typeof startAppUnderTest>>;

  beforeAll(async () => {
    server = await startAppUnderTest();
  });
  afterAll(() => server.close());

  it('tells a client without a token where to get one', async () => {
    const answer = await server.call('list-notes');
    expect(answer).toMatchObject({ status: 401, challenge: { scope: 'notes:read', resource_metadata: METADATA } });
  });

  it('gives its tools the caller', async () => {
    const token = await server.issuer.mint({ sub: 'bob', client_id: 'editor', scope: 'notes:read' });
    const answer = await server.call('whoami', token);
    expect(answer).toMatchObject({ status: 200, result: { subject: 'bob', client: 'editor', scopes: ['notes:read'] } });
  });

  it('refuses to write without notes:write, and asks for that scope', async () => {
    const sub = 'carol';
    const reader = await server.issuer.mint({ sub, scope: 'notes:read' });
    const refused = await server.call('add-note', reader, { text: 'Buy milk' });
    expect(refused).toMatchObject({ status: 403, challenge: { error: 'insufficient_scope', scope: BOTH } });
    // The same user with the scope: the refused call has written nothing.
    const writer = await server.issuer.mint({ sub, scope: BOTH });
    expect(await server.call('list-notes', writer)).toMatchObject({ result: { notes: [] } });
    expect(await server.call('add-note', writer, { text: 'Buy milk' })).toMatchObject({
      status: 200,
      result: { text: 'Buy milk' },
    });
  });

  it.each([
    ['has expired', { exp: 0 }],
    ['is for another server', { aud: 'https://elsewhere.example/mcp' }],
    ['is of another issuer', { iss: 'https://elsewhere.example' }],
    ['names neither user nor client', { sub: undefined, client_id: undefined }],
  ])('refuses a token that %s', async (_what, claims) => {
    const token = await server.issuer.mint({ scope: BOTH, ...claims });
    expect(await server.call('list-notes', token)).toMatchObject({
      status: 401,
      challenge: { error: 'invalid_token' },
    });
  });

  it('refuses a token that is signed with a key the issuer has withdrawn', async () => {
    const token = await server.issuer.mint({ scope: BOTH });
    await server.issuer.rotateKeys();
    expect(await server.call('list-notes', await server.issuer.mint({ scope: BOTH }))).toMatchObject({ status: 200 });
    expect(await server.call('list-notes', token)).toMatchObject({
      status: 401,
      challenge: { error: 'invalid_token' },
    });
  });
});

describe('the notes server, while its issuer is down', () => {
  it('asks the client to come back, instead of calling its token bad', async () => {
    const server = await startAppUnderTest();
    try {
      server.issuer.fail('down');
      const token = await server.issuer.mint({ scope: 'notes:read' });
      expect(await server.call('list-notes', token)).toMatchObject({ status: 503, challenge: undefined });
    } finally {
      await server.close();
    }
  });
});
