import { expect } from '@jest/globals';
import type { TestKey } from 'nestjs-mcp-auth/testing';
import { invalidToken, type McpAuthReason } from '../../lib/core/error.js';
import { signText } from '../../lib/testing/test-key.js';
import { expectRefusal, expectServed, resetRecorded, type Refused } from './expectations.js';
import type { NotesServer } from './notes-server.js';

/**
 * Presents a token to the tool `ping`, which any valid token may call. Asserts that it is refused as invalid, and for this
 * reason: a hostile token that is refused for another defect proves nothing.
 */
export async function expectRejected(server: NotesServer, token: string, reason: McpAuthReason): Promise<Refused> {
  resetRecorded(server);
  const response = await server.callTool('ping', token);
  const refused = await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
  expectReason(server, reason);
  return refused;
}

/** Moves the clock until the library may search for an unknown key again. */
export function allowKeySearch({ clock }: Pick<NotesServer, 'clock'>): void {
  clock.now += 30_000;
}

/** Presents a token to the tool `ping`, and asserts that it runs. */
export async function expectAccepted(server: NotesServer, token: string): Promise<void> {
  resetRecorded(server);
  await expectServed(server, await server.callTool('ping', token), 'ping');
}

/** Asserts that the log names this reason for a refused token. */
export function expectReason({ log }: Pick<NotesServer, 'log'>, reason: McpAuthReason): void {
  expect(log.join('\n')).toContain(invalidToken(reason).message);
}

/** Calls the tool `whoami` and returns the caller. */
export async function whoami(server: NotesServer, token: string): Promise<Record<string, unknown>> {
  resetRecorded(server);
  const text = await expectServed(server, await server.callTool('whoami', token), 'whoami');
  const data = /^data: (.+)$/m.exec(text)?.[1] ?? text;
  const { result } = JSON.parse(data) as { result: { content: [{ text: string }] } };
  return JSON.parse(result.content[0].text) as Record<string, unknown>;
}

/** Signs exactly these bytes as a JWS. They need not be valid text. */
export function signBytes(key: TestKey, header: Uint8Array | string, payload: Uint8Array | string): string {
  const signed = [header, payload].map((part) => Buffer.from(part as string).toString('base64url')).join('.');
  return `${signed}.${signText(signed, key.privateKey, key.alg).toString('base64url')}`;
}

/** The same token with one of its three parts changed. */
export function withPart(token: string, index: 0 | 1 | 2, change: (part: string) => string): string {
  return token
    .split('.')
    .map((part, at) => (at === index ? change(part) : part))
    .join('.');
}
