import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { VerifiedToken } from 'nestjs-mcp-auth';
import { generateTestKey, type TestIssuer } from 'nestjs-mcp-auth/testing';
import { LoopbackServer } from '../support/loopback-server.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { FIXTURES } from './fixtures.js';
import { checkResourceServer, type Check, type SpecVersion, type TokenIssuer } from './resource-server/index.js';
import { BASELINE_SCOPE, checkScopeChallenges, OPAQUE_TOKENS, OPERATIONS } from './resource-server/scope-challenge.js';

const VERSIONS = ['2025-06-18', '2025-11-25', '2026-07-28'] as const;

const startFixtures = (platform: Platform, options: NotesServerSettings['options'] = {}): Promise<NotesServer> =>
  startNotesServer(platform, { controllers: FIXTURES, options });

/** An issuer in the terms of the checks. */
async function tokenIssuerOf(issuer: TestIssuer): Promise<TokenIssuer & { issuer: string }> {
  const key = await generateTestKey({ kid: issuer.key.kid });
  return {
    issuer: issuer.issuer,
    sign: (claims) => issuer.mint(claims),
    signWithUnknownKey: (claims) => issuer.mint(claims, { key }),
  };
}

async function check({ resource, issuer }: NotesServer, version: SpecVersion): Promise<Check[]> {
  return checkResourceServer({ serverUrl: resource, issuer: await tokenIssuerOf(issuer), version });
}

const complaints = (checks: readonly Check[]): object[] => checks.filter(({ status }) => status !== 'SUCCESS');
const idsOf = (checks: readonly Check[]): string[] => checks.map(({ id }) => id);

/** The two tokens of the contract, which an application knows by heart. */
function verifyOpaque(issuer: string, resource: string) {
  return (token: string): VerifiedToken => {
    const isFull = token === OPAQUE_TOKENS.full;
    if (!isFull && token !== OPAQUE_TOKENS.low) throw Object.assign(new Error('unknown'), { code: 'invalid_token' });
    const scopes = [BASELINE_SCOPE, ...(isFull ? OPERATIONS.flatMap((operation) => operation.scopes) : [])];
    const expiresAt = Math.floor(Date.now() / 1000) + 600;
    return { issuer, subject: 'alice', clientId: 'suite', scopes, audience: [resource], expiresAt, claims: {} };
  };
}

describe.each(PLATFORMS)('contracts of the conformance suite for resource servers, on %s', (platform) => {
  describe('with tokens of an issuer', () => {
    let server: NotesServer;
    beforeAll(async () => {
      server = await startFixtures(platform);
    });
    afterAll(() => server.close());

    it.each(VERSIONS)('MCP-26-RS-02, MCP-26-RS-09-b: are met at version %s', async (version) => {
      const checks = await check(server, version);
      expect(complaints(checks)).toEqual([]);
      expect(checks).toHaveLength(version === '2026-07-28' ? 4 + 6 + 16 : 4 + 6);
    });
  });

  it('MCP-26-RS-09-b: challenge for two scopes at once, with the opaque tokens of the scenario', async () => {
    let verify: ReturnType<typeof verifyOpaque> | undefined;
    const server = await startFixtures(platform, {
      allowAnonymous: true,
      verifier: (token: string) => verify!(token),
    });
    verify = verifyOpaque(server.issuer.issuer, server.resource);
    try {
      const checks = await checkScopeChallenges(server.resource, OPAQUE_TOKENS);
      expect(complaints(checks)).toEqual([]);
      expect(checks).toHaveLength(16);
      // The other scenarios send no token. They still list everything, and call what declares no scope.
      expect((await server.rpc('tools/list')).status).toBe(200);
      expect((await server.rpc('tools/list', {}, bearer('another token'))).status).toBe(401);
    } finally {
      await server.close();
    }
  });
});

describe('the checks themselves', () => {
  it('complain about a token for another resource alone, where a server accepts it', async () => {
    const server = await startFixtures('express', {
      audience: ['https://another-resource.example.com/mcp', 'http://127.0.0.1'],
    });
    try {
      const checks = await checkResourceServer({
        serverUrl: server.resource,
        issuer: await tokenIssuerOf(server.issuer),
        version: '2025-11-25',
      });
      // The server no longer accepts tokens for itself, so that the others prove nothing.
      expect(idsOf(complaints(checks) as Check[])).toEqual([
        'auth-valid-audience-token-accepted',
        'auth-wrong-audience-token-rejected',
        'auth-missing-audience-token-rejected',
        'auth-expired-token-rejected',
        'auth-untrusted-token-rejected',
      ]);
    } finally {
      await server.close();
    }
  });

  it('complain about a server that accepts every token', async () => {
    const { url, close } = await startBare((request, response) => {
      response.writeHead(request.headers.authorization ? 200 : 401, { 'content-type': 'application/json' });
      response.end('{"jsonrpc":"2.0","id":1,"result":{}}');
    });
    const checks = await checkResourceServer({ serverUrl: url, issuer: NO_ISSUER, version: '2026-07-28' });
    await close();
    const passed = checks.filter(({ status }) => status === 'SUCCESS');
    expect(idsOf(passed)).toEqual(['auth-unauthenticated-request-rejected', 'auth-valid-audience-token-accepted']);
    expect(checks.filter(({ status }) => status === 'WARNING')).toHaveLength(1 + 16);
  });

  it('skip the audience where a server has no authorization', async () => {
    const { url, close } = await startBare((_request, response) => void response.end('{}'));
    const checks = await checkResourceServer({ serverUrl: url, issuer: NO_ISSUER, version: '2025-11-25' });
    await close();
    expect(checks.filter(({ status }) => status === 'SKIPPED')).toHaveLength(6);
  });

  it('call nothing right where a server answers with another error', async () => {
    const { url, close } = await startBare((_request, response) => void response.writeHead(500).end());
    const checks = await checkResourceServer({ serverUrl: url, issuer: NO_ISSUER, version: '2026-07-28' });
    await close();
    expect(checks.filter(({ status }) => status === 'SUCCESS')).toEqual([]);
    expect(checks.find(({ id }) => id === 'auth-expired-token-rejected')).toMatchObject({
      status: 'FAILURE',
      errorMessage: 'Not testable: a request without a token got 500',
    });
  });
});

const NO_ISSUER: TokenIssuer & { issuer: string } = {
  issuer: 'https://login.example.com',
  sign: () => Promise.resolve('a.b.c'),
  signWithUnknownKey: () => Promise.resolve('d.e.f'),
};

async function startBare(answer: RequestListener): Promise<{ url: string; close(): Promise<unknown> }> {
  const server = await LoopbackServer.start(answer);
  return { url: `${server.origin}/mcp`, close: () => server.close() };
}
