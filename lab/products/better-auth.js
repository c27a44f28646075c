/** Better Auth with its plugin `oauth-provider`. It needs a newer Node.js than this library, for `node:sqlite`. */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../machine/cache.js';
import { freePort } from '../machine/free-port.js';
import { install } from '../machine/install.js';
import { npmInstall, npmNode } from '../machine/npm.js';
import { ServerProcess } from '../machine/processes.js';
import { CLIENT_METADATA } from '../client/official-client.js';
import { signIn } from '../client/oauth.js';
import { absent, fails, works } from './expectation.js';

const VERSION = '1.7.5';
const NODE = '24.21.0';
const SCRIPT = fileURLToPath(new URL('better-auth/server.js', import.meta.url));
const PACKAGES = ['better-auth', '@better-auth/core', '@better-auth/oauth-provider'];

const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';

/** @type {import('./product.js').Product} */
export const betterAuth = {
  name: 'Better Auth',
  version: VERSION,
  missing: () => undefined,

  async start({ resource }) {
    const folder = cacheFolder(`better-auth-${VERSION}`);
    // Its packages ask for exact versions of one another that contradict each other.
    const packages = Object.fromEntries(PACKAGES.map((name) => [name, VERSION]));
    install(() => npmInstall(folder, packages, ['--legacy-peer-deps']));
    copyFileSync(SCRIPT, join(folder, 'server.js'));
    rmSync(join(folder, 'users.db'), { force: true });
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}/api/auth`;
    const server = new ServerProcess({
      command: install(() => npmNode(cacheFolder(`node-${NODE}`), NODE)),
      args: ['--disable-warning=ExperimentalWarning', 'server.js'],
      cwd: folder,
      env: { PORT: String(port), RESOURCE: resource, DATABASE: 'users.db' },
      ready: `${issuer}/.well-known/openid-configuration`,
    });
    await server.start();
    const users = {
      alice: { username: 'alice@example.com', password: 'alice-password' },
      bob: { username: 'bob@example.com', password: 'bob-password' },
    };
    const client = await register(issuer, { ...CLIENT_METADATA, application_type: 'native' });
    const api = await register(issuer, {
      ...CLIENT_METADATA,
      redirect_uris: ['https://notes.example.com/callback'],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    return {
      issuer,
      users,
      client,
      introspection: {
        clientId: api.clientId,
        auth: { method: 'client_secret_basic', clientSecret: api.clientSecret },
      },
      standardScopes: 'openid offline_access',
      tokenForOthers: async ({ metadata }) =>
        (await signIn(metadata, { client, user: users.alice, scope: 'notes:read' })).access_token,
      kill: () => server.kill(),
      restart: () => server.start(),
      rotateKeys: () => fetch(`http://127.0.0.1:${port}/rotate`, { method: 'POST' }),
    };
  },

  expected: {
    metadata: works('RFC 8414 inserted, OIDC appended'),
    features: works('PKCE S256, registration, iss in responses, introspection, revocation, DPoP'),
    'doctor-issuer': works(
      'warning AS-20',
      'Pages in browsers can read nothing of it unless the application adds CORS.',
    ),
    'doctor-registration': works('nothing to complain of'),
    'doctor-token': works('nothing to complain of'),
    'doctor-other-token': works('error MCP-26-RS-02', 'Without `resource`, the server issues an opaque token.'),
    registered: works(STORY),
    'dynamic-registration': works(STORY),
    'dynamic-registration-all': works('signs in, whoami works, list-notes works, delete-note works'),
    'client-metadata-document': absent('A package of its own, which was not tried, adds them.'),
    'two-users': works('alice is one principal, bob is another'),
    scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
    refresh: works('200, the refresh token is replaced'),
    'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
    introspection: works(
      'access token 200, refresh token 401 invalid_token, ID token 401 invalid_token, invented 401 invalid_token',
    ),
    'audience-bound': works('refresh token 401 invalid_token, ID token 401 invalid_token'),
    revocation: fails(
      '200 before, 200 after (the server answered 400); where introspected, 200 before, 200 after (the server answered 400)',
      'It revokes refresh tokens only: a JWT counts until it expires.',
    ),
    dpop: works('token_type DPoP: 200, 401 invalid_token, 401 invalid_token'),
    'dpop-off': works('401 invalid_token, the log says why'),
    'dpop-client': works(`token_type DPoP, ${STORY}`),
    'mutual-tls': absent(),
    'key-rotation': works('200 before; new key: 200; the old token: 401', 'The run deletes the old key.'),
    outage: works(
      'meanwhile 200; an application started then: 503 with Retry-After, 200 once the server is back; a new token: 200',
    ),
  },
};

async function register(issuer, metadata) {
  const response = await fetch(`${issuer}/oauth2/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
  });
  const { client_id: clientId, client_secret: clientSecret } = await response.json();
  return { clientId, ...(clientSecret !== undefined && { clientSecret }) };
}
