import { expect } from '@jest/globals';
import { parseChallenges, type Challenge } from 'nestjs-mcp-auth/testing';
import type { NotesServer } from './notes-server.js';
import type { RawResponse } from './raw-http.js';

/** The expected answer to a refused request. Members that are left out must be absent from the answer, too. */
export interface ExpectedRefusal {
  readonly status: 400 | 401 | 403 | 404 | 429 | 503;
  /**
   * The registered code in the challenge. Absent for a request without usable credentials, for a 403 that no other token
   * would avoid, and for a 503.
   */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'insufficient_user_authentication';
  /** A broken rule of the transport. No token would help, so there must be no challenge. */
  readonly transport?:
    | 'origin_rejected'
    | 'header_mismatch'
    | 'batch_rejected'
    | 'session_not_found'
    | 'body_not_parsed';
  /** The whole `scope` parameter, in order. */
  readonly scope?: string;
  /** The token of the request. Neither answer nor log may contain it or a part of it. */
  readonly token?: string;
  /** URL of the metadata that the challenge must name. @default that of `server.resource` */
  readonly resourceMetadata?: string;
}

/** An answer from `fetch` or from a raw socket. */
export interface Answer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** All fields of this name, in order. `fetch` joins them into one. */
  readonly fields: (name: string) => readonly string[];
  readonly text: string;
}

/** A correct refusal, for further assertions. */
export interface Refused extends Answer {
  /** The only challenge; undefined if there must be none. */
  readonly challenge: Challenge | undefined;
  readonly body: Record<string, unknown>;
}

/** The parts of a server that a refusal must not change. */
export type Witness = Pick<NotesServer, 'ran' | 'log' | 'resource'>;

/** Parameters that a challenge may have (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1). */
const PARAMETERS = [
  'realm',
  'scope',
  'error',
  'error_description',
  'error_uri',
  'acr_values',
  'max_age',
  'resource_metadata',
];

/**
 * Asserts the rules for every refusal: the status; one strictly parsed Bearer challenge, or none if there must be none; a
 * JSON body that says no more than the challenge; `no-store`; no handler ran; and neither answer nor log contains a part of
 * the token.
 *
 * `server.ran` must be empty before the request: call {@link resetRecorded} in `beforeEach`.
 */
export async function expectRefusal(
  server: Witness,
  response: Response | RawResponse,
  expected: ExpectedRefusal,
): Promise<Refused> {
  const answer = await read(response);
  expect({ status: answer.status, body: answer.text }).toMatchObject({ status: expected.status });
  const challenge = expectChallenge(server, answer, expected);
  const body = expectErrorBody(answer, expected);
  expect(answer.header('cache-control')).toBe('no-store');
  expect(server.ran).toEqual([]);
  if (expected.token !== undefined) {
    const challenges = answer.fields('www-authenticate').join('\n');
    expectNoTrace(expected.token, { body: answer.text, challenges, log: server.log.join('\n') });
  }
  return { ...answer, challenge, body };
}

/** Asserts that the request reached only this handler, and returns the body. */
export async function expectServed(
  server: Witness,
  response: Response | RawResponse,
  handler: string,
): Promise<string> {
  const answer = await read(response);
  expect({ status: answer.status, body: answer.text }).toMatchObject({ status: 200 });
  expect(answer.header('www-authenticate')).toBeUndefined();
  expect(server.ran).toEqual([handler]);
  return answer.text;
}

/** Asserts that none of the texts contains the token or a part of it. */
export function expectNoTrace(token: string, texts: Readonly<Record<string, string>>): void {
  const secrets = secretsOf(token);
  const found = Object.entries(texts).flatMap(([where, text]) =>
    secrets.filter((secret) => text.includes(secret)).map((secret) => `${where}: ${secret}`),
  );
  expect(found).toEqual([]);
}

/** Clears what the server has recorded, so that a test sees only its own effects. */
export function resetRecorded({ ran, log }: Pick<Witness, 'ran' | 'log'>): void {
  ran.length = 0;
  log.length = 0;
}

/** The URL of the metadata of a resource, computed without the library (RFC 9728 §3.1). */
export function metadataUrlOf(resource: string): string {
  const { origin, pathname } = new URL(resource);
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
}

/** Reads an answer of `fetch` or of a raw socket. */
export async function read(response: Response | RawResponse): Promise<Answer> {
  if (response instanceof Response) {
    const fields = (name: string): string[] => [response.headers.get(name) ?? []].flat();
    return { status: response.status, header: (name) => fields(name)[0], fields, text: await response.text() };
  }
  const fields = (name: string): readonly string[] => response.headers.get(name) ?? [];
  const isChunked = /\bchunked\b/i.test(fields('transfer-encoding').join());
  const text = isChunked ? dechunk(response.body) : response.body;
  return { status: response.status, header: (name) => fields(name)[0], fields, text };
}

/** The messages in a body: a JSON body is one message, an event stream has one in each `data` line. */
export function messagesOf(text: string): unknown[] {
  if (!/^(?:event|data|id|:)/m.test(text)) return [JSON.parse(text)];
  return [...text.matchAll(/^data: ?(\S.*)$/gm)].map(([, data]) => JSON.parse(data as string) as unknown);
}

function expectChallenge(
  { resource }: Witness,
  { fields }: Answer,
  { status, error, transport, scope, resourceMetadata = metadataUrlOf(resource) }: ExpectedRefusal,
): Challenge | undefined {
  const isChallenged = transport === undefined && (status === 400 || status === 401 || error !== undefined);
  // Strict: a parameter twice in a challenge, a broken quote or an empty element throws.
  const challenges = parseChallenges(fields('www-authenticate'));
  expect(challenges.map(({ scheme }) => scheme)).toEqual(isChallenged ? ['Bearer'] : []);
  const [challenge] = challenges;
  if (!challenge) return undefined;
  const { params } = challenge;
  expect(PARAMETERS).toEqual(expect.arrayContaining(Object.keys(params)));
  expect(params['error']).toBe(error);
  expect(params['scope']).toBe(scope);
  expect(params['resource_metadata']).toBe(resourceMetadata);
  expect(fields('access-control-expose-headers').join().toLowerCase()).toContain('www-authenticate');
  if (error === undefined) {
    expect(params['error_description']).toBeUndefined();
    expect(params['error_uri']).toBeUndefined();
  } else {
    expect(params['error_description']).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/);
  }
  return challenge;
}

/** Asserts a JSON-RPC error, or an OAuth error object. Neither may have a code that the challenge leaves out. */
function expectErrorBody({ header, text }: Answer, expected: ExpectedRefusal): Record<string, unknown> {
  expect(header('content-type')).toMatch(/^application\/json\b/);
  const body = JSON.parse(text) as Record<string, unknown>;
  if (body['jsonrpc'] !== undefined) {
    const { code, message } = body['error'] as { code: number; message: string };
    expect(body).toEqual({ jsonrpc: '2.0', id: body['id'], error: { code, message } });
    expect({ code, isKnown: isFreeCode(code) || code === mcpCode(expected) }).toEqual({ code, isKnown: true });
    expect(message).toEqual(expect.any(String));
  } else {
    const error = oauthCode(expected);
    expect(body).toEqual({ ...(error !== undefined && { error }), error_description: expect.any(String) });
  }
  if (expected.error !== 'invalid_token') expect(text).not.toContain('invalid_token');
  return body;
}

/** The code in the OAuth error object; undefined for a request without usable credentials. */
function oauthCode({ status, error, transport }: ExpectedRefusal): string | undefined {
  if (status === 429) return 'too_many_requests';
  if (status === 503) return 'temporarily_unavailable';
  return error ?? transport ?? (status === 403 ? 'access_denied' : undefined);
}

/** The JSON-RPC code: "Header mismatch" of MCP 2026-07-28, or "Invalid Request" for a batch. */
function mcpCode({ transport }: ExpectedRefusal): number | undefined {
  return { header_mismatch: -32_020, batch_rejected: -32_600 }[transport as string];
}

/** Whether a code is outside the range that JSON-RPC reserves, or "Invalid Request" (JSON-RPC 2.0 §5.1, MCP 2026-07-28). */
function isFreeCode(code: number): boolean {
  return Number.isInteger(code) && (code < -32_768 || code > -32_000 || code === -32_600);
}

/** The token, and its parts that are too long to occur by chance. */
function secretsOf(token: string): string[] {
  const parts = token.split('.').filter((part) => part.length >= 16);
  return [...new Set([token, ...parts])].filter((secret) => secret.length >= 6);
}

function dechunk(body: string): string {
  let text = '';
  for (let rest = body; ;) {
    const [line = '', size = ''] = /^([0-9a-f]+)[^\r]*\r\n/i.exec(rest) ?? [];
    const length = Number.parseInt(size, 16);
    if (!(length > 0)) return text;
    text += rest.slice(line.length, line.length + length);
    rest = rest.slice(line.length + length + 2);
  }
}

/** Parses the JSON in the text of a tool result. */
export async function answerOf<Value = unknown>(response: Response): Promise<Value> {
  const [message] = messagesOf(await response.text()) as [{ result: { content: [{ text: string }] } }];
  return JSON.parse(message.result.content[0].text) as Value;
}
