import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { closeAtOnce, startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';

/** Callers that request a session or task of alice. Only alice may have it. */
export const ASKERS = [
  { name: 'the owner', isOwner: true },
  { name: 'the owner with a new token', isOwner: true },
  { name: 'the owner with another client', isOwner: true },
  { name: 'the owner through another party that acts for her', isOwner: true },
  { name: 'another principal', isOwner: false },
  { name: 'the same subject of another issuer', isOwner: false },
  { name: 'a client whose id is the subject', isOwner: false },
] as const;
export type Asker = (typeof ASKERS)[number];

/** A token of this caller. All callers have the same scopes. */
export async function tokenOf({ name }: Asker, server: NotesServer, other: TestIssuer, scope: string): Promise<string> {
  switch (name) {
    case 'the owner':
      return server.mint({ sub: 'alice', scope });
    case 'the owner with a new token':
      return server.mint({ sub: 'alice', scope: `${scope} more`, jti: 'new' });
    case 'the owner with another client':
      return server.mint({ sub: 'alice', scope, client_id: 'registered-anew' });
    case 'the owner through another party that acts for her':
      return server.mint({ sub: 'alice', scope, act: { sub: 'agent' } });
    case 'another principal':
      return server.mint({ sub: 'bob', scope });
    case 'the same subject of another issuer':
      return other.mint({ aud: server.resource, sub: 'alice', scope });
    case 'a client whose id is the subject':
      return server.mint({ sub: undefined, client_id: 'alice', scope });
  }
}

/** A server that accepts tokens of two issuers. All three have the same clock. */
export interface ServerOfTwoIssuers {
  readonly server: NotesServer;
  /** The second one; the first is `server.issuer`. */
  readonly other: TestIssuer;
  /** Closes all three, without waiting for open connections. */
  close(): Promise<void>;
}

export async function startWithTwoIssuers(
  platform: Platform,
  settings: NotesServerSettings,
): Promise<ServerOfTwoIssuers> {
  let server: NotesServer | undefined = undefined;
  const now = (): number => server?.clock.now ?? Date.now();
  const issuer = await TestIssuer.start({ alg: 'ES256', now });
  const other = await TestIssuer.start({ alg: 'ES256', now });
  const started = await startNotesServer(platform, {
    ...settings,
    sharedIssuer: issuer,
    options: {
      authorizationServers: [issuer.issuer, other.issuer],
      ...settings.options,
    } as Partial<McpAuthModuleOptions>,
  });
  server = started;
  const close = async (): Promise<void> => {
    await closeAtOnce(started);
    await issuer.close();
    await other.close();
  };
  return { server: started, other, close };
}
