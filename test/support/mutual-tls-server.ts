import { expect } from '@jest/globals';
import { parseChallenges, TestCertificate } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import { callOf } from './challenge-cases.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { HttpsOptions, Platform } from './platforms.js';
import { tlsClient, type TlsAnswer, type TlsClient } from './tls-client.js';
import { expectReason } from './tokens.js';

/** A notes server that asks its clients for certificates, and a client that has one. */
export interface MutualTlsServer {
  readonly server: NotesServer;
  readonly certificate: TestCertificate;
  /** With the certificate, with another one, and with none. */
  readonly clients: Readonly<Record<'right' | 'other' | 'none', TlsClient>>;
  /** Mints a token that is bound to the certificate of the client. */
  mintBound(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Calls a tool with a Bearer token, or with these header fields. */
  call(client: TlsClient, token: string | Readonly<Record<string, string>>, tool?: string): Promise<TlsAnswer>;
  close(): Promise<void>;
}

/** Asks for certificates, and accepts those that no authority has issued. */
export function askingForCertificates(): HttpsOptions {
  const { key, cert } = TestCertificate.generate({ commonName: 'localhost' });
  return { key, cert, requestCert: true, rejectUnauthorized: false };
}

export async function startMutualTlsServer(
  platform: Platform,
  options: NotesServerSettings['options'] = { mutualTls: 'accepted' },
  settings: Omit<NotesServerSettings, 'options'> = {},
): Promise<MutualTlsServer> {
  const https = askingForCertificates();
  const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, https, ...settings, options });
  const certificate = TestCertificate.generate({ commonName: 'the client' });
  const other = TestCertificate.generate({ commonName: 'another client' });
  const clients = { right: tlsClient(certificate), other: tlsClient(other), none: tlsClient() };
  return {
    server,
    certificate,
    clients,
    mintBound: (claims) => server.mint({ cnf: certificate.confirmation, ...claims }),
    call: (client, token, tool = 'ping') =>
      client.send(
        server.resource,
        {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(typeof token === 'string' ? { authorization: `Bearer ${token}` } : token),
        },
        JSON.stringify(callOf(tool)),
      ),
    close: async () => {
      for (const client of Object.values(clients)) client.disconnect();
      await server.close();
    },
  };
}

/** Expects a refusal for this reason, with one challenge for Bearer. No tool may have run. */
export function expectInvalid(
  { server }: Pick<MutualTlsServer, 'server'>,
  answer: Pick<TlsAnswer, 'status' | 'headers' | 'text'>,
  reason: McpAuthReason,
): void {
  const challenges = parseChallenges(answer.headers['www-authenticate'] ?? '');
  expect({ status: answer.status, errors: challenges.map(({ scheme, params }) => [scheme, params['error']]) }).toEqual({
    status: 401,
    errors: [['Bearer', 'invalid_token']],
  });
  expectReason(server, reason);
  expect(server.ran).toEqual([]);
}

/** Expects that the tool has run. */
export function expectRan(
  { server }: Pick<MutualTlsServer, 'server'>,
  answer: Pick<TlsAnswer, 'status' | 'text'>,
  tool = 'ping',
): void {
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  expect(server.ran.splice(0)).toEqual([tool]);
}
