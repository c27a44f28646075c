import { describe, expect, it } from '@jest/globals';
import {
  auth0,
  cognito,
  descope,
  entraId,
  keycloak,
  logto,
  okta,
  scalekit,
  stytch,
  supabase,
  workos,
  type IssuerPreset,
} from 'nestjs-mcp-auth';
import { productOf, PRODUCTS as KNOWN_PRODUCTS } from '../../lib/products/known-products.js';
import { reviewMetadata } from '../../lib/products/metadata-review.js';
import type { Finding } from '../../lib/products/metadata-review/finding.js';
import { withWatchdog } from '../support/watchdog.js';

const ISSUER = 'https://login.example.com/realm';

type Document = Readonly<Record<string, unknown>>;

/** A server with nothing to be said about. */
const FLAWLESS: Document = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  registration_endpoint: `${ISSUER}/register`,
  jwks_uri: `${ISSUER}/jwks`,
  response_types_supported: ['code'],
  grant_types_supported: ['authorization_code', 'refresh_token'],
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
  client_id_metadata_document_supported: true,
  authorization_response_iss_parameter_supported: true,
  scopes_supported: ['notes:read', 'offline_access'],
  dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
};

const review = (changes: Document, issuer = ISSUER): Finding[] => reviewMetadata({ ...FLAWLESS, ...changes }, issuer);

/** `AS-04 error`, for short. */
const verdicts = (findings: readonly Finding[]): string[] => findings.map(({ id, level }) => `${id} ${level}`);

describe('reviewMetadata', () => {
  it('has nothing to say about a server that does all that MCP asks for', () => {
    expect(review({})).toEqual([]);
  });

  it.each<[string, Document, string[]]>([
    ['AS-02: another issuer', { issuer: 'https://login.example.com/other' }, ['AS-02 error']],
    ['AS-02: the issuer with a slash more', { issuer: `${ISSUER}/` }, ['AS-02 error']],
    ['AS-02: the issuer in upper case', { issuer: ISSUER.toUpperCase() }, ['AS-02 error']],
    ['AS-02: a template in place of the issuer', { issuer: 'https://login.example.com/{tenantid}' }, ['AS-02 error']],
    ['AS-02: no issuer', { issuer: undefined }, ['AS-02 error']],
    ['AS-04: no PKCE', { code_challenge_methods_supported: undefined }, ['AS-04 error']],
    ['AS-04: PKCE without S256', { code_challenge_methods_supported: ['plain'] }, ['AS-04 error']],
    ['AS-04: PKCE with no method', { code_challenge_methods_supported: [] }, ['AS-04 error']],
    ['AS-04: PKCE as text', { code_challenge_methods_supported: 'S256' }, ['AS-04 error']],
    ['AS-04: S256 in lower case', { code_challenge_methods_supported: ['s256'] }, ['AS-04 error']],
    ['AS-04: plain beside S256', { code_challenge_methods_supported: ['plain', 'S256'] }, ['AS-04 note']],
    ['AS-05: no authorization endpoint', { authorization_endpoint: undefined }, ['AS-05 error']],
    ['AS-05: no token endpoint', { token_endpoint: undefined }, ['AS-05 error']],
    ['AS-05: a relative endpoint', { token_endpoint: '/token' }, ['AS-05 error']],
    [
      'AS-05: plain endpoints',
      { authorization_endpoint: 'http://a.example', token_endpoint: 'http://a.example' },
      ['AS-05 error', 'AS-05 error'],
    ],
    [
      'AS-05: an endpoint on the machine of the proxy',
      { token_endpoint: 'http://localhost:8080/token' },
      ['AS-05 error'],
    ],
    ['AS-05: an endpoint that is a script', { authorization_endpoint: 'javascript:alert(1)' }, ['AS-05 error']],
    ['AS-05: no response types', { response_types_supported: undefined }, ['AS-05 error']],
    ['AS-05: no code', { response_types_supported: ['id_token', 'code id_token'] }, ['AS-05 error']],
    ['AS-06: registration only', { client_id_metadata_document_supported: undefined }, ['AS-06 note']],
    ['AS-06: metadata documents as text', { client_id_metadata_document_supported: 'true' }, ['AS-06 note']],
    [
      'AS-06: metadata documents, and secrets only',
      { token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'] },
      ['AS-06 warning'],
    ],
    [
      'AS-06: metadata documents, and no word on authentication',
      { token_endpoint_auth_methods_supported: undefined },
      ['AS-06 note'],
    ],
    [
      'AS-06: secrets only, where there are no documents',
      { client_id_metadata_document_supported: false, token_endpoint_auth_methods_supported: ['client_secret_basic'] },
      ['AS-06 note'],
    ],
    ['AS-07: metadata documents only', { registration_endpoint: undefined }, ['AS-07 note']],
    [
      'AS-07: neither',
      { registration_endpoint: undefined, client_id_metadata_document_supported: false },
      ['AS-07 warning'],
    ],
    [
      'AS-07: a plain registration endpoint',
      { registration_endpoint: 'http://login.example.com/register' },
      ['AS-07 error'],
    ],
    ['AS-07: a registration endpoint of null', { registration_endpoint: null }, ['AS-07 error']],
    ['AS-08: no iss in responses', { authorization_response_iss_parameter_supported: undefined }, ['AS-08 warning']],
    ['AS-08: iss as text', { authorization_response_iss_parameter_supported: 'true' }, ['AS-08 warning']],
    ['AS-09: no DPoP', { dpop_signing_alg_values_supported: undefined }, []],
    ['AS-09: unsigned proofs', { dpop_signing_alg_values_supported: ['ES256', 'none'] }, ['AS-09 warning']],
    ['AS-09: symmetric proofs', { dpop_signing_alg_values_supported: ['HS256'] }, ['AS-09 warning']],
    ['AS-09: DPoP with no algorithm', { dpop_signing_alg_values_supported: [] }, ['AS-09 warning']],
    ['AS-09: algorithms that are none', { dpop_signing_alg_values_supported: [7] }, ['AS-09 warning']],
    ['AS-12: neither keys nor introspection', { jwks_uri: undefined }, ['AS-12 error']],
    [
      'AS-12: no keys, but introspection',
      { jwks_uri: undefined, introspection_endpoint: `${ISSUER}/introspect` },
      ['AS-12 note'],
    ],
    ['AS-12: plain keys', { jwks_uri: 'http://login.example.com/jwks' }, ['AS-12 error']],
    ['AS-12: keys in a list', { jwks_uri: [`${ISSUER}/jwks`] }, ['AS-12 error']],
    [
      'AS-18: tokens from the authorization endpoint',
      { response_types_supported: ['code', 'id_token token'] },
      ['AS-18 note'],
    ],
    [
      'AS-18: the implicit grant, and no response types',
      { response_types_supported: undefined, grant_types_supported: ['refresh_token', 'implicit'] },
      ['AS-05 error', 'AS-18 note'],
    ],
    [
      'AS-18: the implicit grant for ID tokens only',
      { response_types_supported: ['code', 'id_token'], grant_types_supported: ['refresh_token', 'implicit'] },
      [],
    ],
    [
      'AS-18: both',
      { response_types_supported: ['code', 'token'], grant_types_supported: ['refresh_token', 'implicit'] },
      ['AS-18 note'],
    ],
    ['AS-18: the password grant', { grant_types_supported: ['refresh_token', 'password'] }, ['AS-18 note']],
    ['AS-28: no refresh tokens', { grant_types_supported: ['authorization_code'] }, ['AS-28 note']],
    ['AS-28: no offline_access', { scopes_supported: ['notes:read'] }, ['AS-28 note']],
    ['AS-28: no word on either', { scopes_supported: undefined, grant_types_supported: undefined }, []],
  ])('%s', (_what, changes, expected) => {
    expect(verdicts(review(changes))).toEqual(expected);
  });

  it.each<[string, string, string[]]>([
    ['is plain http', 'http://login.example.com', ['AS-03 error']],
    ['has a query', 'https://login.example.com?tenant=1', ['AS-03 error']],
    ['has a fragment', 'https://login.example.com#1', ['AS-03 error']],
    ['has an empty query', 'https://login.example.com?', ['AS-03 error']],
    ['is no URL', 'login.example.com', ['AS-03 error']],
    ['is text', '', ['AS-03 error']],
    ['is another scheme', 'ftp://localhost', ['AS-03 error']],
    ['is on this machine', 'http://localhost:9000', ['AS-03 note']],
    ['is on this machine, by number', 'http://127.0.0.1:9000', ['AS-03 note']],
  ])('AS-03: the issuer %s: %s', (_what, issuer, expected) => {
    expect(verdicts(review({ issuer }, issuer))).toEqual(expected);
  });

  it('AS-05: takes plain endpoints of an issuer on this machine, and of no other', () => {
    const local = 'http://localhost:9000';
    expect(
      verdicts(review({ issuer: local, token_endpoint: `${local}/token`, jwks_uri: `${local}/jwks` }, local)),
    ).toEqual(['AS-03 note']);
    expect(verdicts(review({ issuer: local, token_endpoint: 'http://10.0.0.1/token' }, local))).toEqual([
      'AS-03 note',
      'AS-05 error',
    ]);
  });

  it('says what was seen, what fails and what to do, in whole sentences of one line', () => {
    const findings = [
      ...reviewMetadata({}, 'http://login.example.com'),
      ...review({ code_challenge_methods_supported: ['plain', 'S256'], dpop_signing_alg_values_supported: ['none'] }),
      ...review({
        response_types_supported: ['token'],
        grant_types_supported: ['password', 'implicit'],
        scopes_supported: [],
      }),
    ];
    for (const { seen, consequence, remedy } of findings) {
      for (const text of [seen, consequence, remedy]) expect(text).toMatch(/^[^\n]{12,300}$/);
    }
    expect(findings[0]).toMatchObject({ seen: 'issuer is missing, and "http://login.example.com" is expected' });
  });

  it('shows what somebody else wrote on one line, shortened, and without what a terminal would act on', () => {
    const written = ['first\nsecond\u2028third\u0085\u001b[31m\u009b0m\u202e', 'x'.repeat(1_000)];
    for (const { seen } of review({
      code_challenge_methods_supported: written,
      issuer: written[0],
      token_endpoint: 'https://u:p@h',
    })) {
      expect(seen).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(seen.length).toBeLessThan(300);
    }
  });

  it.each([
    undefined,
    null,
    true,
    7,
    NaN,
    '',
    'S256',
    [],
    [null],
    [[]],
    [{}],
    {},
    { length: 1, 0: 'S256' },
    ['__proto__'],
    '__proto__',
  ])('does not throw where every member is %j', (value) => {
    const document = Object.fromEntries(Object.keys(FLAWLESS).map((name) => [name, value]));
    const findings = reviewMetadata(document, ISSUER);
    expect(verdicts(findings)).toEqual(expect.arrayContaining(['AS-02 error', 'AS-04 error', 'AS-05 error']));
  });

  it.each<[string, Document]>([
    ['an empty object', {}],
    ['a list', ['issuer', 'S256'] as unknown as Document],
    ['members of prototypes', Object.create(FLAWLESS) as Document],
    ['a member __proto__', JSON.parse(`{"__proto__":${JSON.stringify(FLAWLESS)}}`) as Document],
    [
      'no prototype',
      Object.assign(Object.create(null) as object, { constructor: 1, toString: 2, hasOwnProperty: 3 }) as Document,
    ],
  ])('takes nothing from %s', (_what, document) => {
    expect(verdicts(reviewMetadata(document, ISSUER))).toEqual([
      'AS-02 error',
      'AS-04 error',
      'AS-05 error',
      'AS-05 error',
      'AS-05 error',
      'AS-07 warning',
      'AS-08 warning',
      'AS-12 error',
    ]);
  });

  it('is not slowed down by a large document', () => {
    const many = Array.from({ length: 1_000_000 }, (_, index) => `token ${index}`);
    const document = Object.fromEntries(Object.keys(FLAWLESS).map((name) => [name, many]));
    const findings = withWatchdog(() => reviewMetadata(document, ISSUER));
    expect(verdicts(findings)).toContain('AS-02 error');
  });
});

/** What products document of their metadata; what is not confirmed is left out, as if they did not have it. */
const PRODUCTS: Readonly<Record<string, { preset: IssuerPreset; document: Document; expected: readonly string[] }>> = {
  'Auth0 as it is at first': {
    preset: auth0({ domain: 'acme.eu.auth0.com' }),
    document: {
      code_challenge_methods_supported: ['S256', 'plain'],
      response_types_supported: ['code', 'token', 'id_token', 'code token'],
      scopes_supported: ['openid', 'profile', 'offline_access'],
    },
    expected: ['AS-04 note', 'AS-07 warning', 'AS-08 warning', 'AS-18 note'],
  },
  'Auth0 with all that the guide turns on': {
    preset: auth0({ domain: 'acme.eu.auth0.com' }),
    document: {
      code_challenge_methods_supported: ['S256'],
      registration_endpoint: 'https://acme.eu.auth0.com/oidc/register',
      client_id_metadata_document_supported: true,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt', 'none'],
      authorization_response_iss_parameter_supported: true,
    },
    expected: [],
  },
  Keycloak: {
    preset: keycloak({ url: 'https://login.example.com', realm: 'main' }),
    document: {
      code_challenge_methods_supported: ['plain', 'S256'],
      registration_endpoint: 'https://login.example.com/realms/main/clients-registrations/openid-connect',
      authorization_response_iss_parameter_supported: true,
      response_types_supported: ['code', 'none', 'id_token', 'token', 'code id_token token'],
      grant_types_supported: ['authorization_code', 'implicit', 'refresh_token', 'password'],
    },
    expected: ['AS-04 note', 'AS-06 note', 'AS-18 note', 'AS-18 note'],
  },
  'Entra ID': {
    preset: entraId({ tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47' }),
    document: { response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'] },
    expected: ['AS-04 error', 'AS-07 warning', 'AS-08 warning', 'AS-18 note'],
  },
  Okta: {
    preset: okta({ domain: 'acme.okta.com' }),
    document: {
      code_challenge_methods_supported: ['S256'],
      registration_endpoint: 'https://acme.okta.com/oauth2/v1/clients',
    },
    expected: ['AS-06 note', 'AS-08 warning'],
  },
  Cognito: {
    preset: cognito({ region: 'eu-central-1', userPoolId: 'eu-central-1_aB3dE5fGh' }),
    document: { response_types_supported: ['code', 'token'] },
    expected: ['AS-04 error', 'AS-07 warning', 'AS-08 warning', 'AS-18 note'],
  },
  Logto: {
    preset: logto({ endpoint: 'https://acme.logto.app' }),
    document: {
      code_challenge_methods_supported: ['S256'],
      client_id_metadata_document_supported: true,
      token_endpoint_auth_methods_supported: ['none'],
    },
    expected: ['AS-07 note', 'AS-08 warning'],
  },
  WorkOS: {
    preset: workos({ authkitDomain: 'acme.authkit.app' }),
    document: {
      code_challenge_methods_supported: ['S256'],
      registration_endpoint: 'https://acme.authkit.app/oauth2/register',
      client_id_metadata_document_supported: true,
      token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
      scopes_supported: ['email', 'offline_access', 'openid', 'profile'],
    },
    expected: ['AS-08 warning'],
  },
  Descope: {
    preset: descope({ projectId: 'P2abcdefghijklmnopqrstuvwxyz' }),
    document: { code_challenge_methods_supported: ['S256'] },
    expected: ['AS-07 warning', 'AS-08 warning'],
  },
  Stytch: {
    preset: stytch({ domain: 'humble-otter-1234.customers.stytch.com' }),
    document: { code_challenge_methods_supported: ['S256'], authorization_response_iss_parameter_supported: true },
    expected: ['AS-07 warning'],
  },
  Scalekit: {
    preset: scalekit({
      environmentUrl: 'https://acme.scalekit.com',
      resourceId: 'res_92015146095',
      tokenIssuer: 'resource',
    }),
    document: {
      code_challenge_methods_supported: ['S256'],
      registration_endpoint: 'https://acme.scalekit.com/resources/res_92015146095/register',
    },
    expected: ['AS-06 note', 'AS-08 warning'],
  },
  Supabase: {
    preset: supabase({ projectUrl: 'https://abcdefghijklmnop.supabase.co' }),
    document: { code_challenge_methods_supported: ['S256', 'plain'] },
    expected: ['AS-04 note', 'AS-07 warning', 'AS-08 warning'],
  },
};

describe.each(Object.entries(PRODUCTS))('the metadata of %s', (name, { preset: { issuer }, document, expected }) => {
  const base = issuer.replace(/\/$/, '');
  const metadata = {
    issuer,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    jwks_uri: `${base}/jwks`,
    response_types_supported: ['code'],
    ...document,
  };

  it('gets the findings that its documentation leads to', () => {
    expect(verdicts(reviewMetadata(metadata, issuer))).toEqual(expected);
  });

  it('is recognised as that of the product, and of no other', () => {
    const matching = KNOWN_PRODUCTS.filter((product) => product.matches(new URL(issuer)));
    expect(matching).toEqual([productOf(issuer)]);
    expect(name.startsWith(matching[0]!.name)).toBe(true);
  });

  it('is mended in the terms of the product', () => {
    const product = productOf(issuer);
    expect(product).toBeDefined();
    const findings = reviewMetadata(metadata, issuer);
    const ofProduct = findings.filter(({ remedy }) => remedy.startsWith(`${product?.name}: `)).map(({ id }) => id);
    const possible = findings
      .map(({ id }) => id)
      .filter((id) =>
        [
          'AS-06',
          'AS-07',
          ...((product?.advice.pkce ?? product?.advice.pkcePlain) ? ['AS-04'] : []),
          ...(product?.advice.withdrawnGrants ? ['AS-18'] : []),
          ...(product?.advice.responseIssuer ? ['AS-08'] : []),
        ].includes(id),
      );
    expect(ofProduct).toEqual(possible);
  });
});

it('AS-06: tells operators of Keycloak to turn documents on together with their client policy, or it refuses such clients', () => {
  const { issuer } = keycloak({ url: 'https://login.example.com', realm: 'main' });
  const metadata = { ...FLAWLESS, issuer, client_id_metadata_document_supported: undefined };
  const remedy = reviewMetadata(metadata, issuer).find(({ id }) => id === 'AS-06')?.remedy;
  expect(remedy).toMatch(/--features=cimd and add a client policy .*client-id-uri .*client-id-metadata-document/);
});
