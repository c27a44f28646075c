import 'reflect-metadata';
import { afterEach, describe, it } from '@jest/globals';
import { RESOURCE, ISSUER, stop, type Row, expectProblems, server, HTTP_WHY } from './started-app.js';

const SERVER_ROWS: readonly Row[] = [
  ['no authorization servers', { resource: RESOURCE }, ['authorizationServers', 'nothing', /at least one/]],
  [
    'an empty list of authorization servers',
    { resource: RESOURCE, authorizationServers: [] },
    ['authorizationServers', '[]', /at least one/],
  ],
  [
    'authorization servers that are no list',
    { resource: RESOURCE, authorizationServers: ISSUER },
    ['authorizationServers', `"${ISSUER}"`, /at least one/],
  ],
  [
    'authorization servers that are neither text nor object',
    { resource: RESOURCE, authorizationServers: [null, 1] },
    ['authorizationServers[0]', 'null', /must be an absolute URL/],
    ['authorizationServers[1]', '1', /must be an absolute URL/],
  ],
  [
    'issuers that are listed twice',
    {
      resource: RESOURCE,
      authorizationServers: [ISSUER, { issuer: ISSUER }, 'https://b.example.com', 'https://b.example.com'],
    },
    ['authorizationServers', `"${ISSUER}"`, /twice/],
    ['authorizationServers', '"https://b.example.com"', /twice/],
  ],
  [
    'two issuers that are no URLs, which are not the same',
    { resource: RESOURCE, authorizationServers: ['a', 'b'] },
    ['authorizationServers[0]', '"a"', /must be an absolute URL/],
    ['authorizationServers[1]', '"b"', /must be an absolute URL/],
  ],
  [
    'an issuer with a query',
    { resource: RESOURCE, authorizationServers: [`${ISSUER}?tenant=1`] },
    ['authorizationServers[0]', `"${ISSUER}?tenant=1"`, /query or fragment/],
  ],
  [
    'an issuer with a fragment',
    { resource: RESOURCE, authorizationServers: [`${ISSUER}#x`] },
    ['authorizationServers[0]', `"${ISSUER}#x"`, /query or fragment/],
  ],
  [
    'an issuer over plain http',
    { resource: RESOURCE, authorizationServers: ['http://login.example.com'] },
    ['authorizationServers[0]', '"http://login.example.com"', HTTP_WHY],
  ],
  [
    'an issuer of another scheme',
    { resource: RESOURCE, authorizationServers: ['ftp://login.example.com'] },
    ['authorizationServers[0]', '"ftp://login.example.com"', /not https/],
  ],
  [
    'a misspelt option of a server',
    server({ jwksURI: 'https://x' }),
    ['authorizationServers[0].jwksURI', 'a value', /no such option/],
  ],
  [
    'keys from two places',
    server({ jwksUri: `${ISSUER}/keys`, discovery: 'oidc' }),
    ['authorizationServers[0]', 'several of jwks, jwksUri, discovery', /one place only/],
  ],
  [
    'unknown discovery',
    server({ discovery: 'openid' }),
    ['authorizationServers[0].discovery', '"openid"', /not a known value/],
  ],
  [
    'discovery at an invalid URL',
    server({ discovery: { url: 'x' } }),
    ['authorizationServers[0].discovery.url', '"x"', /must be an absolute URL/],
  ],
  [
    'discovery with more than a URL',
    server({ discovery: { url: `${ISSUER}/x`, timeout: 1 } }),
    ['authorizationServers[0].discovery', 'an object', /not a known value/],
  ],
  [
    'discovery over plain http',
    server({ discovery: { url: 'http://login.example.com/x' } }),
    ['authorizationServers[0].discovery.url', '"http://login.example.com/x"', HTTP_WHY],
  ],
  [
    'keys at an invalid URL',
    server({ jwksUri: '/keys' }),
    ['authorizationServers[0].jwksUri', '"/keys"', /must be an absolute URL/],
  ],
  [
    'keys over plain http',
    server({ jwksUri: 'http://login.example.com/keys' }),
    ['authorizationServers[0].jwksUri', '"http://login.example.com/keys"', HTTP_WHY],
  ],
  [
    'keys that are no key set',
    server({ jwks: [{ kty: 'RSA' }] }),
    ['authorizationServers[0].jwks', 'something else', /must be a JSON Web Key Set/],
  ],
  [
    'a key set without keys',
    server({ jwks: { keys: [] } }),
    ['authorizationServers[0].jwks', 'something else', /must be a JSON Web Key Set/],
  ],
  [
    'a key set with something else in it',
    server({ jwks: { keys: ['pem'] } }),
    ['authorizationServers[0].jwks', 'something else', /must be a JSON Web Key Set/],
  ],
  [
    'symmetric and unknown algorithms',
    server({ algorithms: ['RS256', 'HS256', 'none', 'ES256K'] }),
    ['authorizationServers[0].algorithms', '"HS256"', /asymmetric/],
    ['authorizationServers[0].algorithms', '"none"', /asymmetric/],
    ['authorizationServers[0].algorithms', '"ES256K"', /asymmetric/],
  ],
  [
    'an empty list of algorithms',
    server({ algorithms: [] }),
    ['authorizationServers[0].algorithms', '[]', /non-empty strings/],
  ],
  [
    'algorithms that are no list',
    server({ algorithms: 'RS256' }),
    ['authorizationServers[0].algorithms', '"RS256"', /non-empty strings/],
  ],
  [
    'an unknown profile',
    server({ profile: 'strict' }),
    ['authorizationServers[0].profile', '"strict"', /not a known value/],
  ],
  [
    'introspection that is not an object',
    server({ introspection: true }),
    ['authorizationServers[0].introspection', 'something else', /must be an object/],
  ],
  [
    'introspection without anything',
    server({ introspection: {} }),
    ['authorizationServers[0].introspection.clientId', 'nothing', /required/],
    ['authorizationServers[0].introspection.auth', 'nothing', /method is not known/],
  ],
  [
    'introspection with an empty secret',
    server({ introspection: { clientId: 'notes', auth: { method: 'client_secret_basic', clientSecret: '' } } }),
    ['authorizationServers[0].introspection.auth.clientSecret', 'a value', /must be a non-empty string/],
  ],
  [
    'introspection over plain http',
    server({
      introspection: {
        clientId: 'notes',
        auth: { method: 'client_secret_post', clientSecret: 's' },
        endpoint: 'http://login.example.com/introspect',
      },
    }),
    ['authorizationServers[0].introspection.endpoint', '"http://login.example.com/introspect"', HTTP_WHY],
  ],
  [
    'a misspelt claim option',
    server({ claims: { scope: 'scp' } }),
    ['authorizationServers[0].claims.scope', 'a value', /no such option/],
  ],
  [
    'invalid claim names',
    server({ claims: { scopes: '', clientId: [], subject: 1 } }),
    ['authorizationServers[0].claims.scopes', '[""]', /non-empty strings/],
    ['authorizationServers[0].claims.clientId', '[]', /non-empty strings/],
    ['authorizationServers[0].claims.subject', '1', /non-empty strings/],
  ],
  [
    'an invalid claim pointer',
    server({ claims: { scopes: '/realm_access/~2' } }),
    ['authorizationServers[0].claims.scopes', '"/realm_access/~2"', /JSON Pointer/],
  ],
  [
    'an audience claim that is switched off',
    server({ claims: { audience: false } }),
    ['authorizationServers[0].claims.audience', 'false', /non-empty strings/],
  ],
  [
    'an invalid advertised issuer',
    server({ advertisedIssuer: 'login' }),
    ['authorizationServers[0].advertisedIssuer', '"login"', /must be an absolute URL/],
  ],
  [
    'an advertised issuer over plain http',
    server({ advertisedIssuer: 'http://login.example.com' }),
    ['authorizationServers[0].advertisedIssuer', '"http://login.example.com"', HTTP_WHY],
  ],
  [
    'claims that are no object',
    server({ claims: 'scp' }),
    ['authorizationServers[0].claims', '"scp"', /must be an object/],
  ],
];

describe('options that cannot be used', () => {
  afterEach(stop);

  it.each(SERVER_ROWS)('refuses to start with %s', expectProblems);
});
