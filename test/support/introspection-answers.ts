import { expect } from '@jest/globals';
import { expectRefusal, resetRecorded } from './expectations.js';
import { type NotesServer } from './notes-server.js';
import { expectReason } from './tokens.js';

/** Longer than the cache keeps any answer. */
export const FORGOTTEN_MS = 3_600_000;

/** Presents a token, and asserts that the server answers 503, because it cannot verify the token. */
export async function expectUndecided(server: NotesServer, token: string): Promise<void> {
  resetRecorded(server);
  const { header } = await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
  expect(Number(header('retry-after'))).toBeGreaterThan(0);
  expectReason(server, 'introspection_failed');
}
