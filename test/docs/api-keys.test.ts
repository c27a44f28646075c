import 'reflect-metadata';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createLocalJWKSet, jwtVerify } from 'jose';
import {
  AuthInfo,
  McpAuthModule,
  RequireScopes,
  type CredentialCaller,
  type CredentialOptions,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

/** The code of docs/guides/api-keys.md, and what the page says of it. */

// #region keys
interface StoredKey {
  readonly user: string;
  readonly scopes: readonly string[];
  readonly hash: Buffer;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

@Injectable()
class ApiKeys {
  /** By public id. Stands for a table of your database. */
  readonly #keys = new Map<string, StoredKey>();

  /** Returns a new key, which nobody can read again: only the hash of its secret is stored. */
  issue(user: string, scopes: readonly string[]): string {
    const id = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    this.#keys.set(id, { user, scopes, hash: sha256(secret) });
    return `nk_${id}.${secret}`;
  }

  verify(key: string): CredentialCaller | undefined {
    const [, id = '', secret = ''] = /^nk_([0-9a-f]{16})\.([\w-]{43})$/.exec(key) ?? [];
    const stored = this.#keys.get(id);
    // Takes the same time for an unknown id, and however much of the secret is right.
    const isRight = timingSafeEqual(sha256(secret), stored?.hash ?? sha256(''));
    if (!stored || !isRight) return undefined;
    return { subject: stored.user, clientId: `key ${id}`, scopes: stored.scopes };
  }

  revoke(id: string): void {
    this.#keys.delete(id);
  }
}
// #endregion

@Module({ providers: [ApiKeys], exports: [ApiKeys] })
class ApiKeysModule {}

@Controller('notes')
class NotesController {
  // #region caller
  @Get()
  @RequireScopes('notes:read')
  list(@AuthInfo() auth: McpAuthInfo) {
    return { user: auth.subject, by: auth.credential ?? 'access token' };
  }
  // #endregion
}

describe.each(PLATFORMS)('docs/guides/api-keys.md, on %s', (platform) => {
  let app: INestApplication;
  let issuer: TestIssuer;
  let gateway: TestIssuer;
  let origin: string;
  let resource: string;
  let keys: ApiKeys;

  beforeAll(async () => {
    [issuer, gateway] = await Promise.all([TestIssuer.start({ alg: 'ES256' }), TestIssuer.start({ alg: 'ES256' })]);
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    resource = `${origin}/mcp`;
    const gatewayKeys = createLocalJWKSet((await (await fetch(gateway.jwksUri)).json()) as never);
    const GATEWAY = gateway.issuer;
    const RESOURCE = resource;
    const ISSUER = issuer.issuer;

    // #region gateway
    const GATEWAY_ASSERTION: CredentialOptions = {
      name: 'gateway',
      from: { header: 'x-gateway-assertion' },
      verify: async (assertion, { resource: audience }) => {
        const { payload } = await jwtVerify(assertion, gatewayKeys, { issuer: GATEWAY, audience });
        return { subject: payload.sub!, scopes: ['notes:read'], expiresAt: payload.exp!, claims: payload };
      },
    };
    // #endregion

    const module = await Test.createTestingModule({
      controllers: [NotesController],
      imports: [
        // #region module
        McpAuthModule.forRootAsync({
          imports: [ApiKeysModule],
          inject: [ApiKeys],
          useFactory: (apiKeys: ApiKeys) => ({
            resource: RESOURCE,
            authorizationServers: [ISSUER],
            credentials: [
              { name: 'api-key', from: { header: 'x-api-key' }, verify: (key) => apiKeys.verify(key) },
              { name: 'bearer-key', from: { bearerPrefix: 'nk_' }, verify: (key) => apiKeys.verify(key) },
              GATEWAY_ASSERTION,
            ],
          }),
        }),
        // #endregion
        ApiKeysModule,
      ],
    }).compile();
    app = module.createNestApplication(adapterFor(platform), { logger: false });
    await app.listen(port, '127.0.0.1');
    keys = app.get(ApiKeys, { strict: false });
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([issuer.close(), gateway.close()]);
  });

  const list = (headers: Record<string, string>): Promise<Response> => fetch(`${origin}/notes`, { headers });
  const callerWith = async (headers: Record<string, string>): Promise<unknown> => (await list(headers)).json();

  it('accepts a key in its own header and as a Bearer token, beside access tokens', async () => {
    const key = keys.issue('alice', ['notes:read']);
    expect(await callerWith({ 'x-api-key': key })).toEqual({ user: 'alice', by: 'api-key' });
    expect(await callerWith(bearer(key))).toEqual({ user: 'alice', by: 'bearer-key' });
    const token = await issuer.mint({ aud: resource, sub: 'alice', scope: 'notes:read' });
    expect(await callerWith(bearer(token))).toEqual({ user: 'alice', by: 'access token' });
  });

  it('refuses keys that are wrong, revoked, or without the scope', async () => {
    const key = keys.issue('alice', ['notes:read']);
    const id = key.slice(3, 19);
    for (const wrong of [
      `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`,
      `nk_${'0'.repeat(16)}${key.slice(19)}`,
      `nk_${id}.`,
      'nk_',
    ]) {
      const response = await list({ 'x-api-key': wrong });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer scope="notes:read", resource_metadata=/);
      expect((await list(bearer(wrong))).headers.get('www-authenticate')).toContain('error="invalid_token"');
    }
    expect((await list({ 'x-api-key': keys.issue('bob', []) })).status).toBe(403);
    expect((await list({ 'x-api-key': key, ...bearer(key) })).status).toBe(400);
    keys.revoke(id);
    expect((await list({ 'x-api-key': key })).status).toBe(401);
  });

  it('accepts an assertion of the gateway for this resource only', async () => {
    const assertion = (claims: object): Promise<string> => gateway.mint({ sub: 'carol', ...claims });
    expect(await callerWith({ 'x-gateway-assertion': await assertion({ aud: resource }) })).toEqual({
      user: 'carol',
      by: 'gateway',
    });
    expect((await list({ 'x-gateway-assertion': await assertion({ aud: 'https://other.example' }) })).status).toBe(401);
    expect((await list({ 'x-gateway-assertion': await issuer.mint({ aud: resource }) })).status).toBe(401);
  });
});
