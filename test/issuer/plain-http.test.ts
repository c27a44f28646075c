import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthConfigError, type AuthorizationServerOptions, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { readOptions } from '../../lib/options/read-options.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted } from '../support/tokens.js';

// Plain http to this machine: OA21-1.5-a.

const ISSUER = 'https://as.example.com';
const REASON = 'plain http on this machine is accepted only of an issuer that is itself plain http on this machine';

describe.each(PLATFORMS)('an https issuer and plain http on this machine, on %s', (platform) => {
  /** What listens on this machine, and would answer. */
  let local: TestIssuer;
  let server: NotesServer | undefined;
  beforeEach(async () => {
    local = await TestIssuer.start({ alg: 'ES256', introspection: true, now: () => server?.clock.now ?? Date.now() });
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    await local.close();
  });

  async function start(settings: Partial<AuthorizationServerOptions>, options: object = {}): Promise<NotesServer> {
    const document = (): object => ({
      issuer: ISSUER,
      jwks_uri: local.jwksUri,
      introspection_endpoint: local.introspectionUri,
    });
    const fetchOf: typeof fetch = (url, init) =>
      String(url).startsWith(ISSUER) ? Promise.resolve(Response.json(document())) : fetch(url, init);
    const all = { authorizationServers: [{ ...settings, issuer: ISSUER }], fetch: fetchOf, ...options } as never;
    server = await startNotesServer(platform, { sharedIssuer: local, options: all });
    return server;
  }

  const introspection = (): NonNullable<AuthorizationServerOptions['introspection']> =>
    introspecting(local).introspection!;

  async function expectUnused(running: NotesServer): Promise<void> {
    const token = await running.mint({ iss: ISSUER });
    resetRecorded(running);
    await expectRefusal(running, await running.callTool('ping', token), { status: 503, token });
    expect(running.log.join('\n')).toContain(REASON);
    expect(local.requests).toEqual([]);
  }

  it('OA21-1.5-a: does not fetch keys that its metadata places there', async () => {
    await expectUnused(await start({}));
  });

  it('OA21-1.5-a: sends no token and no credentials to an endpoint that its metadata places there', async () => {
    await expectUnused(await start({ introspection: introspection() }));
  });

  it('OA21-1.5-a: takes what transformMetadata returns for metadata', async () => {
    await expectUnused(
      await start({ transformMetadata: (document) => ({ ...(document as object), jwks_uri: local.jwksUri }) }),
    );
  });

  it.each<[what: string, settings: () => Partial<AuthorizationServerOptions>]>([
    ['jwksUri', () => ({ jwksUri: local.jwksUri })],
    ['introspection.endpoint', () => ({ introspection: { ...introspection(), endpoint: local.introspectionUri } })],
    ['metadata', () => ({ metadata: { issuer: ISSUER, jwks_uri: local.jwksUri } })],
  ])('OA21-1.5-a: asks there where the operator says so: %s', async (_what, settings) => {
    const running = await start(settings());
    local.answerIntrospection = () => ({ active: true, sub: 'alice', aud: running.resource });
    await expectAccepted(running, await running.mint({ iss: ISSUER }));
  });

  it('OA21-1.5-a: asks there with allowInsecureHttp', async () => {
    const running = await start({}, { allowInsecureHttp: true });
    await expectAccepted(running, await running.mint({ iss: ISSUER }));
  });
});

describe('plain http elsewhere', () => {
  it.each(['jwksUri', 'discovery'])(
    'is refused in the options, with allowInsecureHttp as the remedy (%s)',
    (option) => {
      const url = 'http://keycloak:8080/realms/main/protocol/openid-connect/certs';
      const server = { issuer: 'http://localhost:8080/realms/main', [option]: option === 'discovery' ? { url } : url };
      const options = {
        resource: 'https://mcp.example.com/mcp',
        authorizationServers: [server],
      } as McpAuthModuleOptions;
      expect(() => readOptions(options)).toThrow(McpAuthConfigError);
      expect(() => readOptions(options)).toThrow(/Docker Compose, set allowInsecureHttp: true/);
      expect(() => readOptions({ ...options, allowInsecureHttp: true })).not.toThrow();
    },
  );
});
