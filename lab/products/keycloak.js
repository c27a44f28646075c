/** Keycloak in development mode, from Maven Central. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keycloak as preset } from '../../dist/index.js';
import { TestCertificate } from '../../dist/testing/index.js';
import { cacheFolder } from '../machine/cache.js';
import { certificate } from '../machine/certificate.js';
import { freePort } from '../machine/free-port.js';
import { install } from '../machine/install.js';
import { missingJava } from '../machine/java.js';
import { run, ServerProcess } from '../machine/processes.js';
import { tokenOverTls } from '../client/certificate-bound.js';
import { post, signIn } from '../client/oauth.js';
import { absent, fails, works } from './expectation.js';
import { ADMIN, API, BOUND, INVENTORY, INVENTORY_SCOPE, KeycloakAdmin, REALM } from './keycloak/admin.js';
import { KEYCLOAK_STEPS, WITHOUT_CLIENT_POLICY } from './keycloak/steps.js';

const VERSION = '26.7.3';

const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';
const EXPIRES = 'A JWT counts until it expires. Introspection ends it at once, with `cacheSeconds: 0`.';

/** What the features make no difference to. */
const EXPECTED = {
  metadata: works('RFC 8414 inserted, OIDC appended'),
  features: works(
    'PKCE plain and S256, registration, iss in responses, introspection, revocation, DPoP, certificate-bound tokens',
  ),
  'doctor-issuer': works('nothing to complain of'),
  'doctor-token': works('nothing to complain of'),
  'doctor-other-token': works('error RFC9068-4-c', 'A token without a scope of the MCP server has no audience.'),
  registered: works(STORY),
  preset: works(STORY),
  'dynamic-registration': fails(
    'signs in, whoami works, list-notes works, invalid_scope',
    'It holds a client to the scopes of its registration: see [which clients step up](guides/scopes.md#which-clients-step-up).',
  ),
  'dynamic-registration-all': works('signs in, whoami works, list-notes works, delete-note works'),
  'two-users': works('alice is one principal, bob is another'),
  scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
  refresh: works('200, the refresh token is replaced'),
  'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
  introspection: works(
    'access token 200, refresh token 401 invalid_token, ID token 401 invalid_token, invented 401 invalid_token',
  ),
  'audience-bound': works('refresh token 401 invalid_token, ID token 401 invalid_token'),
  revocation: works('200 before, 200 after; where introspected, 200 before, 401 invalid_token after', EXPIRES),
  logout: works('200 before, 200 after; where introspected, 200 before, 401 invalid_token after', EXPIRES),
  dpop: works('token_type DPoP: 200, 401 invalid_token, 401 invalid_token'),
  'dpop-off': works('401 invalid_token, the log says why'),
  'dpop-client': works(`token_type DPoP, ${STORY}`),
  'mutual-tls': works('200, 401 invalid_token, 401 invalid_token'),
  'token-exchange': works('new token without act: list-notes 200', 'The new token does not say who exchanged it.'),
  downstream: works(
    'aud is the API alone, without act: 200 as the same user; the token of the caller there: 401 invalid_token',
    'Needs two Audience mappers: see [calling other APIs](guides/downstream-tokens.md#token-exchange).',
  ),
  'keycloak-downstream-scope': fails(
    'an error of the tool, the log shows "invalid_request": "Requested audience not available: inventory-api" and says what to do; the token of the caller there: 401 invalid_token',
    'The client needs a scope that brings the audience, by an Audience mapper.',
  ),
  'keycloak-downstream-outsider': fails(
    '403, the log shows "access_denied": "Client is not within the token audience" and says what to do; the token of the caller there: 401 invalid_token',
    'The token of the caller needs the client in its `aud`, by an Audience mapper.',
  ),
  'keycloak-at-jwt': works('200'),
  'keycloak-es256': works('200'),
  'keycloak-without-basic': fails(
    '401 invalid_token, the log says what to do',
    'Its tokens name no user: see [Keycloak](providers.md#keycloak), step 5.',
  ),
  'keycloak-lightweight': works(
    '401 invalid_token; 200',
    'Without introspection they need `aud` and `sub`: see [Keycloak](providers.md#keycloak).',
  ),
  'keycloak-introspection-outsider': fails(
    '401 invalid_token, the log says what to do',
    'Keycloak calls every token inactive then: add an Audience mapper for the client.',
  ),
  'keycloak-introspection-signed': fails('503, the log says what to do', 'Keycloak signs no answers (RFC 9701).'),
  'keycloak-back-channel-logout': works(
    '200 before, 401 invalid_token after; another session of the user: 200',
    'See [logout at the authorization server](guides/revocation.md#logout-at-the-authorization-server).',
  ),
  'keycloak-service-account': works('200, auth.kind is client'),
  'key-rotation': works('200 before; new key: 200; the old token: 200'),
  outage: works(
    'meanwhile 200; an application started then: 503 with Retry-After, 200 once the server is back; a new token: 200',
  ),
};

/** @type {import('./product.js').Product} */
export const keycloak = {
  name: 'Keycloak',
  version: VERSION,
  missing: () => missingJava(17),
  start: ({ resource }) => start(resource, []),
  steps: KEYCLOAK_STEPS,
  expected: {
    ...EXPECTED,
    'doctor-registration': works('warning AS-07', 'The doctor says that step-up will fail for such clients.'),
    'client-metadata-document': absent('An experimental feature: see the other run of Keycloak.'),
  },
};

/** @type {import('./product.js').Product} */
export const keycloakCimd = {
  name: 'Keycloak',
  version: VERSION,
  variant: '--features=cimd and its client policy',
  onlyByName: true,
  missing: () => missingJava(17),
  start: ({ resource }) => start(resource, ['cimd']),
  steps: [...KEYCLOAK_STEPS, WITHOUT_CLIENT_POLICY],
  expected: {
    ...EXPECTED,
    features: works(
      'PKCE plain and S256, registration, client ID metadata documents, iss in responses, introspection, revocation, DPoP, certificate-bound tokens',
    ),
    'doctor-registration': works('warning AS-07', 'The doctor says that step-up will fail for such clients.'),
    'client-metadata-document': works(STORY),
    'keycloak-cimd-without-policy': fails(
      'the sign-in page says "Client not found"',
      'The metadata offers such clients all the same: turn on both the feature and the policy, or neither.',
    ),
  },
};

/** @param {string} resource @param {string[]} features experimental ones */
async function start(resource, features) {
  const folder = install(distribution);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const bound = TestCertificate.generate();
  const boundFile = join(cacheFolder(`keycloak-${VERSION}`), 'client.pem');
  writeFileSync(boundFile, bound.cert);
  const { file, keyFile } = certificate();
  const server = new ServerProcess({
    command: join(folder, 'bin/kc.sh'),
    args: [
      'start-dev',
      '--http-host=127.0.0.1',
      `--http-port=${port}`,
      `--https-port=${tlsPort}`,
      `--https-certificate-file=${file}`,
      `--https-certificate-key-file=${keyFile}`,
      '--https-client-auth=request',
      // Certificates of clients, and that of the server with the metadata documents.
      `--truststore-paths=${boundFile},${file}`,
      ...(features.length > 0 ? [`--features=${features.join(',')}`] : []),
    ],
    cwd: folder,
    env: {
      KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      JAVA_OPTS_KC_HEAP: '-Xms128m -Xmx512m',
    },
    ready: `${url}/realms/master/.well-known/openid-configuration`,
    seconds: 600,
  });
  await server.start();
  const admin = new KeycloakAdmin(url);
  await admin.prepareRealm(resource);
  if (features.includes('cimd')) await admin.allowMetadataDocuments();
  return { ...serverOf({ url, server, admin }), admin, boundToken: () => boundToken(url, tlsPort, bound) };
}

/** Keycloak names the issuer as the client reached it, here over TLS. Its keys are the same. */
function boundToken(url, tlsPort, bound) {
  const issuer = `https://127.0.0.1:${tlsPort}/realms/${REALM}`;
  const options = { jwksUri: `${url}/realms/${REALM}/protocol/openid-connect/certs` };
  return tokenOverTls(`${issuer}/protocol/openid-connect/token`, BOUND, { issuer, options, certificate: bound });
}

/** The distribution, without the data of an earlier run. */
function distribution() {
  const folder = cacheFolder(`keycloak-${VERSION}`);
  const home = join(folder, `keycloak-${VERSION}`);
  if (!existsSync(join(home, 'bin/kc.sh'))) {
    const artifact = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`;
    run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`], {
      cwd: folder,
    });
    run('unzip', ['-q', '-o', `keycloak-quarkus-dist-${VERSION}.zip`], { cwd: folder });
  }
  rmSync(join(home, 'data'), { recursive: true, force: true });
  return home;
}

/** @returns {import('./product.js').Server} */
function serverOf({ url, server, admin }) {
  const client = { clientId: 'mcp-public' };
  const users = Object.fromEntries(
    ['alice', 'bob'].map((username) => [username, { username, password: `${username}-password` }]),
  );
  const issuer = `${url}/realms/${REALM}`;
  return {
    issuer,
    users,
    client,
    preset: preset({ url, realm: REALM }),
    introspection: { clientId: API.clientId, auth: { method: 'client_secret_basic', clientSecret: API.clientSecret } },
    standardScopes: 'openid',
    tokenForOthers: async ({ metadata }) =>
      (await signIn(metadata, { client, user: users.alice, scope: 'openid' })).access_token,
    kill: () => server.kill(),
    restart: () => server.start(),
    rotateKeys: () => admin.rotateKeys(),
    logOut: ({ refresh_token: refreshToken }) =>
      post(`${issuer}/protocol/openid-connect/logout`, { refresh_token: refreshToken }, { client }),
    exchangingClient: API,
    otherApi: { audience: INVENTORY.clientId, options: { scopes: [INVENTORY_SCOPE] } },
  };
}
