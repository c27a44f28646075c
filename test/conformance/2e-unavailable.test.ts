import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { errors } from 'jose';
import { generateTestKey, type TestFault } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { minutes } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('2. An authorization server that fails, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeEach(async () => {
    server = await startNotesServer(platform, { issuer });
    token = await server.mint({ exp: minutes(server, 120) });
  });
  afterEach(() => server.close());

  const expectUndecided = async (response: Response, presented = token): Promise<void> => {
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    const { text: body } = await expectRefusal(server, response, { status: 503, token: presented });
    expect(body).not.toMatch(/invalid_token|Error|at .*:\d+|127\.0\.0\.1/);
  };

  const FAULTS: [fault: TestFault, on: 'metadata' | 'jwks' | 'all'][] = [
    ...(['down', 'error', 'not-found', 'redirect', 'html', 'invalid-json', 'huge'] as const).flatMap(
      (fault): [TestFault, 'metadata' | 'jwks'][] => [
        [fault, 'metadata'],
        [fault, 'jwks'],
      ],
    ),
    ['wrong-issuer', 'metadata'],
  ];

  it.each(FAULTS)('LIB-08: answers 503 while nothing is known of its keys: %s of the %s', async (fault, on) => {
    server.issuer.fail(fault, on);
    await expectUndecided(await server.callTool('ping', token));
    await expectUndecided(await server.callTool('write-note', token));
    await expectUndecided(await fetch(`${server.origin}/plain`, { headers: bearer(token) }));
    expect(server.issuer.requestCount('canary')).toBe(0);
  });

  it('LIB-08: answers 503 where nothing listens any more', async () => {
    await server.issuer.close();
    await expectUndecided(await server.callTool('ping', token));
  });

  it('LIB-08: answers 503 where the connection to it cannot be made secure', async () => {
    const other = await startNotesServer(platform, {
      sharedIssuer: server.issuer,
      options: {
        audience: server.resource,
        authorizationServers: [
          { issuer: server.issuer.issuer, jwksUri: server.issuer.jwksUri.replace('http:', 'https:') },
        ],
      },
    });
    try {
      const response = await other.callTool('ping', token);
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
      await expectRefusal(other, response, { status: 503, token });
    } finally {
      await other.close();
    }
  });

  it.each(FAULTS)('LIB-08: serves on with the keys it has: %s of the %s', async (fault, on) => {
    await expectServed(server, await server.callTool('ping', token), 'ping');
    server.issuer.fail(fault, on);
    server.clock.now += 30 * 60_000;
    for (let again = 0; again < 3; again++) {
      resetRecorded(server);
      await expectServed(server, await server.callTool('ping', token), 'ping');
    }
  });

  it('LIB-08: answers 503 to a token of a key it does not know, while it cannot ask for new keys', async () => {
    await expectServed(server, await server.callTool('ping', token), 'ping');
    await server.issuer.rotateKeys({ keepOld: true });
    const fresh = await server.mint({ exp: minutes(server, 120) });
    server.issuer.fail('error');
    resetRecorded(server);
    await expectUndecided(await server.callTool('ping', fresh), fresh);
    await expectUndecided(await server.callTool('ping', fresh), fresh);
    await expectServed(server, await server.callTool('ping', token), 'ping');
    resetRecorded(server);
    server.issuer.recover();
    server.clock.now += 60_000;
    await expectServed(server, await server.callTool('ping', fresh), 'ping');
    resetRecorded(server);
    const unknown = await server.mint({}, { key: await generateTestKey({ alg: 'ES256' }) });
    const response = await server.callTool('ping', unknown);
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: unknown });
  });

  it('LIB-08: tells by what a verifier of the application throws whether the token is bad', async () => {
    const verifier = (presented: string): never => {
      if (presented.startsWith('forged')) throw new errors.JWSSignatureVerificationFailed();
      throw new Error(`no connection to the database, for ${presented}`);
    };
    const other = await startNotesServer(platform, { sharedIssuer: server.issuer, options: { verifier } });
    try {
      const forged = await other.callTool('ping', 'forged-token-0123456789');
      const bad = { status: 401, error: 'invalid_token', token: 'forged-token-0123456789' } as const;
      await expectRefusal(other, forged, bad);
      const undecided = await other.callTool('ping', 'opaque-token-0123456789');
      await expectRefusal(other, undecided, { status: 503, token: 'opaque-token-0123456789' });
    } finally {
      await other.close();
    }
  });

  it('LIB-08: works again once the authorization server does', async () => {
    server.issuer.fail('error');
    await expectUndecided(await server.callTool('ping', token));
    server.issuer.recover();
    server.clock.now += 5_000;
    await expectServed(server, await server.callTool('ping', token), 'ping');
  });

  it('LIB-08: still tells a bad token, and a request without one, by themselves', async () => {
    server.issuer.fail('down');
    await expectRefusal(server, await server.callTool('ping'), { status: 401 });
    const elsewhere = await server.mint({ aud: 'https://elsewhere.example' });
    for (const bad of ['garbage', await server.mint({ exp: 1 }), elsewhere]) {
      const response = await server.callTool('ping', bad);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', token: bad });
    }
    expect(server.issuer.requests).toEqual([]);
  });
});
