import 'reflect-metadata';
import { afterEach, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  keycloak,
  TokenVerifier,
  type AuthorizationServerOptions,
  type CommonOptions,
  type ProtectedResourceOptions,
  type VerifiedToken,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

/** The code of docs/guides/opaque-tokens.md, tenants.md and custom-verifier.md, and what these pages say of it. */

const issuers: TestIssuer[] = [];
let server: NotesServer;
afterEach(async () => {
  await server.close();
  for (const issuer of issuers.splice(0)) await issuer.close();
});

async function startIssuer(): Promise<TestIssuer> {
  const issuer = await TestIssuer.start({ alg: 'ES256', introspection: true });
  issuers.push(issuer);
  return issuer;
}

function introspecting(issuer: string): AuthorizationServerOptions[] {
  process.env['INTROSPECTION_SECRET'] = 'resource-server-secret';
  return [
    // #region introspection
    {
      issuer,
      introspection: {
        clientId: 'resource-server',
        auth: { method: 'client_secret_basic', clientSecret: process.env['INTROSPECTION_SECRET'] ?? '' },
        cacheSeconds: 30,
      },
    },
    // #endregion
  ];
}

it('asks about opaque tokens, and notices a revocation once the answer is 30 seconds old', async () => {
  const issuer = await startIssuer();
  server = await startNotesServer('express', {
    sharedIssuer: issuer,
    options: { authorizationServers: introspecting(issuer.issuer) },
  });
  const exp = Math.floor(server.clock.now / 1000) + 600;
  const token = issuer.opaque({ aud: server.resource, exp });
  await expectServed(server, await server.callTool('ping', token), 'ping');
  issuer.revoke(token);
  resetRecorded(server);
  await expectServed(server, await server.callTool('ping', token), 'ping');
  server.clock.now += 31_000;
  resetRecorded(server);
  await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
});

it('answers 503 while the introspection endpoint does not answer', async () => {
  const issuer = await startIssuer();
  server = await startNotesServer('express', {
    sharedIssuer: issuer,
    options: { authorizationServers: introspecting(issuer.issuer) },
  });
  issuer.fail('down', 'introspection');
  const token = issuer.opaque({ aud: server.resource });
  await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
});

function byTenant(tenants: { realmOf(name: string): Promise<{ enabled: boolean } | undefined> }) {
  return {
    // #region tenants
    authorizationServers: ['https://login.example.com/realms/main'],
    trustedIssuer: async (issuer: string) => {
      const realm = /^https:\/\/login\.example\.com\/realms\/([a-z0-9-]+)$/.exec(issuer)?.[1];
      const tenant = realm === undefined ? undefined : await tenants.realmOf(realm);
      return tenant?.enabled ? keycloak({ url: 'https://login.example.com', realm: realm as string }) : undefined;
    },
    // #endregion
  } satisfies Partial<ProtectedResourceOptions>;
}

it('trusts the issuers that the application looks up, and no other', async () => {
  const known = new Map([
    ['acme', { enabled: true }],
    ['gone', { enabled: false }],
  ]);
  const { trustedIssuer } = byTenant({ realmOf: async (name) => known.get(name) });
  expect(await trustedIssuer('https://login.example.com/realms/acme')).toMatchObject({
    issuer: 'https://login.example.com/realms/acme',
  });
  expect(await trustedIssuer('https://login.example.com/realms/gone')).toBeUndefined();
  expect(await trustedIssuer('https://login.example.com.evil.example/realms/acme')).toBeUndefined();

  const tenant = await startIssuer();
  const stranger = await startIssuer();
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    options: { trustedIssuer: (issuer: string) => (issuer === tenant.issuer ? issuer : undefined) },
  });
  await expectServed(server, await server.callTool('ping', await tenant.mint({ aud: server.resource })), 'ping');
  resetRecorded(server);
  const token = await stranger.mint({ aud: server.resource });
  await expectRefusal(server, await server.callTool('ping', token), { status: 401, error: 'invalid_token', token });
});

class Keys {
  readonly #known = new Map([
    ['key-of-alice', { user: 'alice', scopes: ['a'], expiresAt: Math.floor(Date.now() / 1000) + 600 }],
  ]);

  async find(key: string): Promise<{ user: string; scopes: string[]; expiresAt: number } | undefined> {
    if (key === 'outage') throw new Error('the database is down');
    return this.#known.get(key);
  }
}

const ISSUER = 'https://login.example.com';
const RESOURCE = 'https://mcp.example.com/mcp';

// #region verifier
@Injectable()
class ApiKeyVerifier extends TokenVerifier {
  constructor(private readonly keys: Keys) {
    super();
  }

  async verify(token: string): Promise<VerifiedToken> {
    const key = await this.keys.find(token);
    if (!key) throw Object.assign(new Error('unknown key'), { code: 'invalid_token' });
    return {
      issuer: ISSUER,
      subject: key.user,
      scopes: key.scopes,
      audience: [RESOURCE],
      expiresAt: key.expiresAt,
      claims: {},
    };
  }
}
// #endregion

const verifying = {
  // #region verifier-option
  authorizationServers: [ISSUER],
  audience: RESOURCE,
  verifier: ApiKeyVerifier,
  // #endregion
} satisfies Partial<ProtectedResourceOptions & CommonOptions>;

it('leaves verification to the application: bad is 401, unknown is 503', async () => {
  server = await startNotesServer('express', {
    issuer: { alg: 'ES256' },
    options: verifying,
    providers: [Keys, ApiKeyVerifier],
  });
  expect(await expectServed(server, await server.callTool('whoami', 'key-of-alice'), 'whoami')).toContain('alice');
  resetRecorded(server);
  await expectRefusal(server, await server.callTool('ping', 'no-such-key'), { status: 401, error: 'invalid_token' });
  await expectRefusal(server, await server.callTool('ping', 'outage'), { status: 503 });
});
