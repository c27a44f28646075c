import type { AuthorizationServerOptions, IntrospectionOptions } from 'nestjs-mcp-auth';
import { TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';

/** The options of an issuer with introspection, and the credentials that it expects. */
export function introspecting(
  issuer: TestIssuer,
  more: Partial<IntrospectionOptions> = {},
): AuthorizationServerOptions {
  const { clientId, clientSecret } = issuer.introspectionClient;
  const auth = { method: 'client_secret_basic', clientSecret } as const;
  return { issuer: issuer.issuer, introspection: { clientId, auth, ...more } };
}

export interface IntrospectingServer extends NotesServer {
  /** Issues an opaque token for this server; members as in `TestIssuer.opaque`. */
  opaque(members?: Readonly<Record<string, unknown>>, options?: { readonly prefix?: string }): string;
}

/** Starts a notes server that introspects every token. Closing it closes the issuer, too. */
export async function startIntrospectingServer(
  platform: Platform,
  settings: {
    readonly issuer?: TestIssuerOptions;
    readonly introspection?: Partial<IntrospectionOptions>;
    readonly options?: NotesServerSettings['options'];
  } = {},
): Promise<IntrospectingServer> {
  let now = (): number => Date.now();
  const issuer = await TestIssuer.start({ alg: 'ES256', introspection: true, now: () => now(), ...settings.issuer });
  const authorizationServers = [introspecting(issuer, settings.introspection)];
  const server = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options: { authorizationServers, ...settings.options } as NonNullable<NotesServerSettings['options']>,
  });
  now = () => server.clock.now;
  return {
    ...server,
    opaque: (members = {}, options = {}) => issuer.opaque({ aud: server.resource, ...members }, options),
    close: async () => {
      await server.close();
      await issuer.close();
    },
  };
}
