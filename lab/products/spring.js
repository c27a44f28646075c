/** Spring Authorization Server in Spring Boot, from Maven Central: one class, built here. */
import { createHash, X509Certificate } from 'node:crypto';
import { cpSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestCertificate } from '../../dist/testing/index.js';
import { cacheFolder } from '../machine/cache.js';
import { certificate } from '../machine/certificate.js';
import { freePort } from '../machine/free-port.js';
import { install } from '../machine/install.js';
import { missingJava } from '../machine/java.js';
import { run, ServerProcess } from '../machine/processes.js';
import { tokenOverTls } from '../client/certificate-bound.js';
import { signIn } from '../client/oauth.js';
import { absent, fails, works } from './expectation.js';

/** The version in Spring Boot 4.1.2, which `spring/pom.xml` names. */
const VERSION = '7.1.2';
const SOURCES = fileURLToPath(new URL('spring/', import.meta.url));
const SECRET = 'api-secret';
const API = { clientId: 'notes-api', clientSecret: SECRET };

const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';
const REFUSED = 'RegistrationRejectedError: Invalid Client Registration: scope';
const REFUSES = 'It refuses every client that names a scope, as MCP clients do: register them.';

/** @type {import('./product.js').Product} */
export const spring = {
  name: 'Spring Authorization Server',
  version: VERSION,
  missing: () => missingJava(17),

  async start({ resource }) {
    const [port, tlsPort] = [await freePort(), await freePort()];
    const issuer = `http://127.0.0.1:${port}`;
    const folder = install(build);
    const bound = TestCertificate.generate();
    const server = new ServerProcess({
      command: 'java',
      args: ['-Xmx256m', '-jar', 'target/lab-1.jar', ...tlsArguments(folder, tlsPort, bound)],
      cwd: folder,
      env: {
        ISSUER: issuer,
        PLAIN_PORT: String(port),
        RESOURCE: resource,
        API_SECRET: SECRET,
        KEYS_OF_CLIENT: JSON.stringify({ keys: [keyOf(bound)] }),
      },
      ready: `${issuer}/.well-known/oauth-authorization-server`,
      seconds: 180,
    });
    await server.start();
    const users = Object.fromEntries(
      ['alice', 'bob'].map((username) => [username, { username, password: `${username}-password` }]),
    );
    return {
      issuer,
      users,
      client: { clientId: 'mcp-public' },
      confidentialClient: { clientId: 'mcp-confidential', clientSecret: `confidential-${SECRET}` },
      introspection: { clientId: API.clientId, auth: { method: 'client_secret_basic', clientSecret: SECRET } },
      standardScopes: 'openid',
      tokenForOthers: async ({ metadata }) =>
        (await signIn(metadata, { client: { clientId: 'mcp-default' }, user: users.alice, scope: 'notes:read' }))
          .access_token,
      kill: () => server.kill(),
      restart: () => server.start(),
      rotateKeys: () => fetch(`${issuer}/rotate`, { method: 'POST' }),
      boundToken: () =>
        tokenOverTls(
          `https://127.0.0.1:${tlsPort}/oauth2/token`,
          { clientId: 'mcp-certified' },
          { issuer, certificate: bound },
        ),
      exchangingClient: API,
      otherApi: { audience: 'https://inventory.example.com', hasActor: true },
    };
  },

  expected: {
    metadata: works('RFC 8414 inserted, OIDC appended'),
    features: works('PKCE S256, registration, introspection, revocation, DPoP, certificate-bound tokens'),
    'doctor-issuer': works('warning AS-07, AS-08', 'It refuses clients that name a scope, and does not send `iss`.'),
    'doctor-registration': works('warning AS-07', 'The doctor says that no MCP client can register.'),
    'doctor-token': works('nothing to complain of'),
    'doctor-other-token': works('error RFC9068-4-c', 'Without a customizer, the audience is the client.'),
    registered: works(STORY, 'A customizer of the application sets the audience.'),
    'dynamic-registration': fails(REFUSED, REFUSES),
    'dynamic-registration-all': fails(REFUSED, REFUSES),
    'client-metadata-document': absent(),
    'two-users': works('alice is one principal, bob is another'),
    scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
    refresh: works('200, the refresh token stays', 'Only confidential clients get refresh tokens.'),
    'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
    introspection: works(
      'access token 200, refresh token 401 invalid_token, ID token 401 invalid_token, invented 401 invalid_token',
    ),
    'audience-bound': works('refresh token 401 invalid_token, ID token 401 invalid_token'),
    revocation: works(
      '200 before, 200 after; where introspected, 200 before, 401 invalid_token after',
      'A JWT counts until it expires. Introspection ends it at once, with `cacheSeconds: 0`.',
    ),
    dpop: works('token_type DPoP: 200, 401 invalid_token, 401 invalid_token'),
    'mutual-tls': works(
      '200, 401 invalid_token, 401 invalid_token',
      'It binds tokens only if the client authenticates with the certificate.',
    ),
    'dpop-off': works('401 invalid_token, the log says why'),
    'dpop-client': works(`token_type DPoP, ${STORY}`),
    'token-exchange': works('new token without act: list-notes 200', 'With an actor token, the new one has `act`.'),
    downstream: works(
      'aud is the API alone, with act: 200 as the same user; the token of the caller there: 401 invalid_token',
      'With `actorToken`. A customizer of the application sets the audience to the `audience` of the request.',
    ),
    'key-rotation': works('200 before; new key: 200; the old token: 401', 'The run deletes the old key.'),
    outage: works(
      'meanwhile 200; an application started then: 503 with Retry-After, 401 once the server is back; a new token: 200',
      'It keeps its keys in memory, so tokens from before the restart are unknown.',
    ),
  },
};

/** It serves TLS, too, and asks for the certificate of the client. */
function tlsArguments(folder, port, { cert }) {
  const clientFile = join(folder, 'client.pem');
  writeFileSync(clientFile, cert);
  const { file, keyFile } = certificate();
  return [
    '--server.address=127.0.0.1',
    `--server.port=${port}`,
    `--server.ssl.certificate=file:${file}`,
    `--server.ssl.certificate-private-key=file:${keyFile}`,
    `--server.ssl.trust-certificate=file:${clientFile}`,
    '--server.ssl.client-auth=want',
  ];
}

/** The key of a certificate, with the certificate. */
function keyOf({ cert }) {
  const { raw, publicKey } = new X509Certificate(cert);
  return {
    ...publicKey.export({ format: 'jwk' }),
    x5c: [raw.toString('base64')],
    'x5t#S256': createHash('sha256').update(raw).digest('base64url'),
  };
}

function build() {
  const folder = cacheFolder(`spring-${VERSION}`);
  if (!isNewerThanSources(join(folder, 'target/lab-1.jar'))) {
    cpSync(SOURCES, folder, { recursive: true });
    run('mvn', ['-q', '-B', '-DskipTests', 'package'], { cwd: folder });
  }
  return folder;
}

function isNewerThanSources(jar) {
  const built = statSync(jar, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' });
  return sources.every((file) => statSync(join(SOURCES, file)).mtimeMs < built);
}
