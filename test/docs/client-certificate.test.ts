import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { McpAuthDownstream, McpAuthService, type ClientKeyPair, type IntrospectionAuth } from 'nestjs-mcp-auth';
import { TestCertificate, TestIssuer } from 'nestjs-mcp-auth/testing';
import { CertifiedEndpoints } from '../support/certified-endpoints.js';
import { startNotesServer } from '../support/notes-server.js';

const issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true });
const endpoints = await CertifiedEndpoints.start(issuer);
issuer.metadata = { mtls_endpoint_aliases: endpoints.aliases };
const client = TestCertificate.generate();
endpoints.accepted.add(client.thumbprint);

const authority = endpoints.certificate.cert;
const currentKeyPair: ClientKeyPair = { certificate: client.cert, key: client.key };
const folder = mkdtempSync(join(tmpdir(), 'client-certificate-'));
const fileWith = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const certificateFile = fileWith('client.crt', client.cert);
const keyFile = fileWith('client.key', client.key);
const authorityFile = fileWith('authority.crt', authority);

// #region auth
const auth: IntrospectionAuth = {
  method: 'tls_client_auth',
  certificate: readFileSync(certificateFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
  ca: readFileSync(authorityFile, 'utf8'),
};
// #endregion

// #region renewed
const renewed: IntrospectionAuth = {
  method: 'tls_client_auth',
  keyPair: () => currentKeyPair,
  ca: authority,
};
// #endregion

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await endpoints.close();
  await issuer.close();
});

it.each([
  ['files', auth],
  ['a function', renewed],
])('docs/guides/downstream-tokens.md: authenticates with a certificate from %s', async (_what, by) => {
  const calendar = { grant: 'token-exchange', clientId: 'resource-server', audience: 'calendar', auth: by } as const;
  const server = await startNotesServer('express', { sharedIssuer: issuer, options: { downstream: { calendar } } });
  try {
    const caller = await server.app.get(McpAuthService).verify(await server.mint());
    await expect(server.app.get(McpAuthDownstream).tokenFor('calendar', caller)).resolves.toMatch(/^eyJ/);
    expect(endpoints.requests.at(-1)?.thumbprint).toBe(client.thumbprint);
  } finally {
    await server.close();
  }
});
