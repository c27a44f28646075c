import type { NotesServer } from './notes-server.js';
import { bearer } from './rpc.js';

/** The first request of a client of 2025-11-25. */
export const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1.0.0' },
};

/** Opens a session of a stateful server and returns its id. Without a token, the caller is anonymous. */
export async function openSession(server: Pick<NotesServer, 'rpc'>, token?: string): Promise<string> {
  const response = await server.rpc('initialize', INITIALIZE, bearer(token));
  await response.text();
  const session = response.headers.get('mcp-session-id');
  if (session === null) throw new Error(`no session: ${response.status}`);
  return session;
}
