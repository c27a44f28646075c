/** node-oidc-provider as it comes, not the development authorization server of this library. */
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../machine/cache.js';
import { freePort } from '../machine/free-port.js';
import { certificate } from '../machine/certificate.js';
import { install } from '../machine/install.js';
import { npmInstall } from '../machine/npm.js';
import { ServerProcess } from '../machine/processes.js';
import { tokenOverTls } from '../client/certificate-bound.js';
import { signIn } from '../client/oauth.js';
import { fails, works } from './expectation.js';

const VERSION = '9.13.3';
const SCRIPT = fileURLToPath(new URL('oidc-provider/server.js', import.meta.url));
const API = { clientId: 'notes-api', clientSecret: 'notes-api-secret' };

/**
 * @param {'jwt' | 'opaque'} format of access tokens
 * @returns {import('./product.js').Product['start']}
 */
const startWith =
  (format) =>
  async ({ resource }) => {
    const folder = cacheFolder(`oidc-provider-${VERSION}`);
    install(() => npmInstall(folder, { 'oidc-provider': VERSION }));
    copyFileSync(SCRIPT, join(folder, 'server.js'));
    const port = await freePort();
    const tlsPort = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const { file, keyFile } = certificate();
    const keys = new SigningKeys(join(folder, 'keys.json'));
    const server = new ServerProcess({
      command: process.execPath,
      args: ['server.js'],
      cwd: folder,
      env: {
        PORT: String(port),
        RESOURCE: resource,
        API_SECRET: API.clientSecret,
        FORMAT: format,
        KEYS: keys.file,
        TLS_PORT: String(tlsPort),
        TLS_KEY: keyFile,
        TLS_CERT: file,
        NODE_EXTRA_CA_CERTS: file,
      },
      ready: `${issuer}/.well-known/openid-configuration`,
    });
    await server.start();
    const users = { alice: { username: 'alice', password: 'x' }, bob: { username: 'bob', password: 'x' } };
    const client = { clientId: 'mcp-public' };
    const auth = { method: 'client_secret_basic', clientSecret: API.clientSecret };
    const introspection = { clientId: API.clientId, auth };
    const options = format === 'opaque' ? { introspection } : undefined;
    return {
      issuer,
      users,
      client,
      ...(format === 'opaque' && { introspection, options }),
      standardScopes: 'openid offline_access',
      // Without it, the server issues no refresh token (OpenID Connect Core §11).
      parameters: { prompt: 'consent' },
      tokenForOthers: async ({ metadata }) =>
        (await signIn(metadata, { client, user: users.alice, scope: 'openid' })).access_token,
      boundToken: () =>
        tokenOverTls(`https://127.0.0.1:${tlsPort}/token`, API, { issuer, options, parameters: { resource } }),
      kill: () => server.kill(),
      restart: () => server.start(),
      ...(format === 'jwt' && {
        async rotateKeys() {
          keys.rotate();
          await server.kill();
          await server.start();
        },
      }),
    };
  };

/** Its keys, which it reads when it starts. It signs with the first, and publishes all. */
class SigningKeys {
  #keys = [];

  constructor(file) {
    this.file = file;
    this.rotate();
  }

  rotate() {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#keys.unshift({ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' });
    writeFileSync(this.file, JSON.stringify({ keys: this.#keys }), { mode: 0o600 });
  }
}

const BINDS =
  'It holds a client to the scopes of its registration: see [which clients step up](guides/scopes.md#which-clients-step-up).';
const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';

const ASKED = 'The server answers 400, not `active: false`, when it is asked about a JWT.';

const SHARED = {
  metadata: works('RFC 8414 inserted, OIDC appended'),
  features: works(
    'PKCE S256, registration, client ID metadata documents, iss in responses, introspection, revocation, DPoP, certificate-bound tokens',
  ),
  'doctor-issuer': works('nothing to complain of'),
  'doctor-registration': works('warning AS-07', 'The doctor says that step-up will fail for such clients.'),
  'doctor-token': works('nothing to complain of'),
  'doctor-other-token': works('error MCP-26-RS-02', 'Without `resource`, the server issues an opaque token.'),
  registered: works(STORY),
  'dynamic-registration': fails('signs in, whoami works, list-notes works, invalid_scope', BINDS),
  'dynamic-registration-all': works('signs in, whoami works, list-notes works, delete-note works'),
  'client-metadata-document': works(STORY, 'As it comes, it fetches no document from a private address.'),
  'two-users': works('alice is one principal, bob is another'),
  scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
  refresh: works('200, the refresh token is replaced'),
  dpop: works('token_type DPoP: 200, 401 invalid_token, 401 invalid_token'),
  'mutual-tls': works('200, 401 invalid_token, 401 invalid_token'),
  'dpop-off': works('401 invalid_token, the log says why'),
  'dpop-client': works(`token_type DPoP, ${STORY}`),
};

/** @type {import('./product.js').Product} */
export const oidcProvider = {
  name: 'node-oidc-provider',
  version: VERSION,
  missing: () => undefined,
  start: startWith('jwt'),
  expected: {
    ...SHARED,
    'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
    revocation: fails('200 before, 200 after (the server answered 400)', 'It neither revokes nor introspects JWTs.'),
    'key-rotation': works(
      '200 before; new key: 200; the old token: 200',
      'It reads its keys when it starts; the old one stays published.',
    ),
    outage: works(
      'meanwhile 200; an application started then: 503 with Retry-After, 200 once the server is back; a new token: 200',
    ),
  },
};

/** @type {import('./product.js').Product} */
export const oidcProviderOpaque = {
  name: 'node-oidc-provider',
  version: VERSION,
  variant: 'opaque tokens',
  missing: () => undefined,
  start: startWith('opaque'),
  expected: {
    ...SHARED,
    'other-tokens': works('refresh token 401 invalid_token, ID token 503, for others 401 invalid_token', ASKED),
    introspection: works(
      'access token 200, refresh token 401 invalid_token, ID token 503, invented 401 invalid_token',
      ASKED,
    ),
    'audience-bound': works('refresh token 401 invalid_token, ID token 503', ASKED),
    revocation: works(
      '200 before, 200 after; where introspected, 200 before, 401 invalid_token after',
      'An answer of introspection is remembered for up to `introspection.cacheSeconds`.',
    ),
    outage: works(
      'meanwhile 200; an application started then: 503 with Retry-After, 401 once the server is back; a new token: 200',
      'It keeps its tokens in memory, so those from before the restart are unknown.',
    ),
  },
};
