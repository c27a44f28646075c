import { expect } from '@jest/globals';
import { parseChallenges, TestDpopKey, type Challenge, type TestProofOptions } from 'nestjs-mcp-auth/testing';
import { metadataUrlOf } from './expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';
import { callOf } from './challenge-cases.js';

/** A notes server that accepts DPoP, and a client with a key. */
export interface DpopServer {
  readonly server: NotesServer;
  readonly key: TestDpopKey;
  /** Mints a token that is bound to the key of the client. */
  mintBound(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** A proof for `POST` to the MCP endpoint, made now by the clock of the server. */
  proof(token: string | undefined, changes?: Partial<TestProofOptions> & { readonly by?: TestDpopKey }): string;
  /** Calls a tool with these header fields. */
  call(headers: Readonly<Record<string, string>>, tool?: string): Promise<Response>;
  /** Calls a tool with a bound token, and the proof that these changes make of a correct one. */
  callWith(changes: Parameters<DpopServer['proof']>[1], tool?: string): Promise<Response>;
  close(): Promise<void>;
}

export async function startDpopServer(
  platform: Platform,
  options: NotesServerSettings['options'] = { dpop: 'accepted' },
  settings: Omit<NotesServerSettings, 'options'> = {},
): Promise<DpopServer> {
  const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, ...settings, options });
  const key = await TestDpopKey.generate();
  const mintBound: DpopServer['mintBound'] = (claims) => server.mint({ cnf: key.confirmation, ...claims });
  const proof: DpopServer['proof'] = (token, { by = key, claims, ...changes } = {}) =>
    by.proof({
      method: 'POST',
      url: server.resource,
      ...(token !== undefined && { token }),
      claims: { iat: Math.floor(server.clock.now / 1000), ...claims },
      ...changes,
    });
  const call: DpopServer['call'] = (headers, tool = 'ping') =>
    fetch(server.resource, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify(callOf(tool)),
    });
  const callWith: DpopServer['callWith'] = async (changes, tool) => {
    const token = await mintBound();
    return call({ authorization: `DPoP ${token}`, dpop: proof(token, changes) }, tool);
  };
  return { server, key, mintBound, proof, call, callWith, close: () => server.close() };
}

/** Expects a refusal, and returns its challenges by scheme. `error` stands in that of `scheme` alone, if at all. */
export async function expectChallenges(
  { server }: DpopServer,
  response: Response,
  { status = 401, scheme = 'DPoP', error }: { status?: number; scheme?: string; error?: string },
): Promise<ReadonlyMap<string, Challenge>> {
  const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '');
  const text = await response.text();
  expect({ status: response.status, errors: challenges.map((one) => [one.scheme, one.params['error']]), text }).toEqual(
    {
      status,
      errors: challenges.map((one) => [one.scheme, one.scheme === scheme ? error : undefined]),
      text: expect.any(String),
    },
  );
  for (const { params } of challenges) expect(params['resource_metadata']).toBe(metadataUrlOf(server.resource));
  expect(new Set(challenges.map(({ params }) => params['scope'])).size).toBe(1);
  return new Map(challenges.map((challenge) => [challenge.scheme, challenge]));
}
