import type { McpAuthModuleOptions, SessionOwnerStore } from 'nestjs-mcp-auth';
import { closeAtOnce, startNotesServer, type NotesServer } from './notes-server.js';
import type { Platform } from './platforms.js';
import { bearer } from './rpc.js';

/** Two servers with sessions, whose owners they share through these stores. */
export interface SessionReplicas {
  readonly one: NotesServer;
  readonly other: NotesServer;
  /** A token of this user for both, which are one resource. */
  mint(sub: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Sends a request that names a session to a replica, where no MCP framework judges the session. */
  use(replica: NotesServer, session: string | undefined, token: string): Promise<Response>;
  close(): Promise<void>;
}

export async function startSessionReplicas(
  platform: Platform,
  stores: readonly [SessionOwnerStore, SessionOwnerStore],
  more: Partial<McpAuthModuleOptions> = {},
): Promise<SessionReplicas> {
  const start = (store: SessionOwnerStore, issuer: object, resource: object = {}): Promise<NotesServer> =>
    startNotesServer(platform, {
      ...issuer,
      transport: { statefulMode: true },
      options: { sessions: { store }, ...resource, ...more } as Partial<McpAuthModuleOptions>,
    });
  const one = await start(stores[0], { issuer: { alg: 'ES256' } });
  const other = await start(stores[1], { sharedIssuer: one.issuer }, { resource: one.resource });
  return {
    one,
    other,
    mint: (sub, claims) => one.mint({ sub, ...claims }),
    use: (replica, session, token) =>
      fetch(`${replica.origin}/plain`, {
        headers: { ...bearer(token), ...(session !== undefined && { 'mcp-session-id': session }) },
      }),
    close: async () => {
      await closeAtOnce(other);
      await closeAtOnce(one);
    },
  };
}
