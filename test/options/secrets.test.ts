import 'reflect-metadata';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generateTestKey, type TestKey } from 'nestjs-mcp-auth/testing';
import { ISSUER, GOOD, stop, problems, expectHelpful, server, withScopes } from './started-app.js';

describe('secrets in options', () => {
  let key: TestKey;
  beforeAll(async () => {
    key = await generateTestKey({ alg: 'ES256' });
  });
  afterEach(stop);

  const SECRET = 'hunter2-and-then-some';
  const privateJwk = (): object => ({ ...key.publicJwk, d: SECRET });

  it.each([
    ['a private key among the public ones', () => server({ jwks: { keys: [key.publicJwk, privateJwk()] } })],
    ['a symmetric key', () => server({ jwks: { keys: [{ kty: 'oct', k: SECRET }] } })],
    ['a private key that is not a key set', () => server({ jwks: privateJwk() })],
    ['a private key in PEM', () => server({ jwks: `-----BEGIN PRIVATE KEY-----\n${SECRET}` })],
    ['a private key under another name', () => server({ privateKey: privateJwk() })],
    ['a private key as authorization server', () => ({ ...GOOD, authorizationServers: [privateJwk()] })],
    ['a client secret', () => server({ clientSecret: SECRET })],
    ['a client secret in place of introspection', () => server({ introspection: SECRET })],
    ['a client secret in a list', () => server({ introspection: [{ clientId: 'notes', clientSecret: SECRET }] })],
    [
      'a client secret in place of authentication',
      () => server({ introspection: { clientId: 'notes', auth: SECRET } }),
    ],
    [
      'a client secret beside an unknown method',
      () => server({ introspection: { clientId: 'notes', auth: { method: 'basic', clientSecret: SECRET } } }),
    ],
    [
      'a client secret under another name',
      () => server({ introspection: { clientId: 'notes', auth: { method: 'client_secret_basic', secret: SECRET } } }),
    ],
    [
      'a client secret that is not a string',
      () =>
        server({
          introspection: { clientId: 'notes', auth: { method: 'client_secret_post', clientSecret: [SECRET] } },
        }),
    ],
    [
      'an invalid signing key',
      () =>
        server({
          introspection: {
            clientId: 'notes',
            auth: { method: 'private_key_jwt', privateKey: `-----BEGIN PRIVATE KEY-----\n${SECRET}` },
          },
        }),
    ],
    [
      'a signing key that is half a JWK',
      () =>
        server({
          introspection: {
            clientId: 'notes',
            auth: { method: 'private_key_jwt', privateKey: { ...privateJwk(), x: 'x' } },
          },
        }),
    ],
    [
      'credentials for discovery',
      () => server({ discovery: { url: `${ISSUER}/metadata`, headers: { authorization: SECRET } } }),
    ],
    ['credentials in place of a verifier', () => ({ ...GOOD, verifier: { token: SECRET } })],
    ['credentials in place of a list', () => ({ resources: { token: SECRET }, audience: [{ token: SECRET }] })],
    ['credentials in place of an issuer', () => ({ ...GOOD, authorizationServers: [{ issuer: { token: SECRET } }] })],
    ['credentials among scopes', () => withScopes([{ token: SECRET }])],
    ['a client secret of the module', () => ({ ...GOOD, clientSecret: SECRET, introspection: { secret: SECRET } })],
    [
      'a password in an issuer',
      () => ({ ...GOOD, authorizationServers: [`https://user:${SECRET}@login.example.com`] }),
    ],
    [
      'a password in an issuer that is not a URL',
      () => ({ ...GOOD, authorizationServers: [`https://user:${SECRET}@`] }),
    ],
    ['a password in a resource', () => ({ ...GOOD, resource: `https://user:${SECRET}@mcp.example.com/mcp` })],
    ['a password in the URL of keys', () => server({ jwksUri: `https://user:${SECRET}@login.example.com/keys` })],
    [
      'a password in the URL of metadata',
      () => server({ discovery: { url: `https://user:${SECRET}@login.example.com/metadata` } }),
    ],
    [
      'a password in two places',
      () => ({
        resource: `https://${SECRET}@mcp.example.com`,
        authorizationServers: `https://u:${SECRET}@login.example.com https://u:${SECRET}@b`,
      }),
    ],
  ])('refuses %s without showing it', async (_, options) => {
    const error = await problems(options());
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.problems)}`).not.toContain(
      SECRET,
    );
    expectHelpful(error);
  });
});
