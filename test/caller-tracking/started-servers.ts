import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import type { Platform } from '../support/platforms.js';

/** Servers of a test, which end with it. */
export const running: { close(): Promise<void> }[] = [];

export async function start(platform: Platform, settings: NotesServerSettings = {}): Promise<NotesServer> {
  const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, ...settings });
  running.push(server);
  return server;
}

export async function closeServers(): Promise<void> {
  for (const server of running.splice(0).toReversed()) await server.close();
}
