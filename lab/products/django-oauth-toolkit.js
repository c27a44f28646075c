/** django-oauth-toolkit, from PyPI. Its access tokens are opaque. */
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../machine/cache.js';
import { certificate } from '../machine/certificate.js';
import { freePort } from '../machine/free-port.js';
import { install } from '../machine/install.js';
import { run, ServerProcess, versionOf } from '../machine/processes.js';
import { log } from '../app/log.js';
import { callTool } from '../client/call.js';
import { signIn } from '../client/oauth.js';
import { absent, fails, works } from './expectation.js';

const VERSION = '3.4.1';
const SCRIPT = fileURLToPath(new URL('django-oauth-toolkit/server.py', import.meta.url));
const SECRET = 'notes-api-secret';

const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';

/** @type {import('./product.js').Product} */
export const djangoOauthToolkit = {
  name: 'django-oauth-toolkit',
  version: VERSION,
  missing: () => (isPythonRecent() ? undefined : 'Python 3.10 or later'),

  async start({ resource: _resource }) {
    const folder = cacheFolder(`django-oauth-toolkit-${VERSION}`);
    install(() => pipInstall(folder));
    copyFileSync(SCRIPT, join(folder, 'server.py'));
    rmSync(join(folder, 'server.db'), { force: true });
    const port = await freePort();
    const issuer = `http://127.0.0.1:${port}`;
    const server = new ServerProcess({
      command: join(folder, 'venv/bin/python'),
      args: ['server.py'],
      cwd: folder,
      env: { PORT: String(port), API_SECRET: SECRET, DATABASE: 'server.db', SSL_CERT_FILE: certificate().file },
      ready: `${issuer}/.well-known/oauth-authorization-server`,
      seconds: 180,
    });
    await server.start();
    const users = Object.fromEntries(
      ['alice', 'bob'].map((username) => [username, { username, password: `${username}-password` }]),
    );
    const client = { clientId: 'mcp-public' };
    const introspection = {
      clientId: 'notes-api',
      auth: { method: 'client_secret_basic', clientSecret: SECRET },
    };
    return {
      issuer,
      users,
      client,
      introspection,
      options: { introspection, claims: { subject: ['sub', 'username'] } },
      standardScopes: 'openid',
      tokenForOthers: async ({ metadata }) =>
        (await signIn(metadata, { client, user: users.alice, scope: 'notes:read', resource: 'http://localhost:1/mcp' }))
          .access_token,
      kill: () => server.kill(),
      restart: () => server.start(),
    };
  },

  steps: [
    {
      id: 'django-without-subject',
      what: 'without `claims.subject`, since its introspection answers have no `sub`',
      run: async (lab) => {
        const { access_token: token } = await lab.tokens();
        const { issuer, introspection } = lab.server;
        return lab.withApp({ authorizationServers: [{ issuer, introspection }] }, async (url) => {
          const { status, error } = await callTool(url, token, 'list-notes');
          const says = /claims: \{ subject/.test(log.takeWarnings().join('\n'));
          return `${status} ${error}, the log ${says ? 'says what to write' : 'does not say what to write'}`;
        });
      },
    },
  ],

  expected: {
    metadata: works('RFC 8414 inserted'),
    features: works('PKCE plain and S256, registration, client ID metadata documents, introspection, revocation'),
    'doctor-issuer': works(
      'warning AS-08, AS-20',
      'It sends `iss` only with its RFC 9700 settings, and the application must add CORS.',
    ),
    'doctor-registration': works('nothing to complain of'),
    'doctor-token': works('nothing to complain of'),
    'doctor-other-token': works('error MCP-26-RS-02'),
    registered: works(STORY),
    'dynamic-registration': works(STORY),
    'dynamic-registration-all': works('signs in, whoami works, list-notes works, delete-note works'),
    'client-metadata-document': works(STORY, 'As it comes, it fetches no document from a private address.'),
    'two-users': works('alice is one principal, bob is another', 'With `claims: { subject: ["sub", "username"] }`.'),
    scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
    refresh: works('200, the refresh token is replaced'),
    'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
    introspection: works(
      'access token 200, refresh token 401 invalid_token, ID token 401 invalid_token, invented 401 invalid_token',
    ),
    'audience-bound': works('refresh token 401 invalid_token, ID token 401 invalid_token'),
    revocation: works(
      '200 before, 200 after; where introspected, 200 before, 401 invalid_token after',
      'An answer of introspection is remembered for up to `introspection.cacheSeconds`.',
    ),
    dpop: absent(),
    'dpop-off': absent(),
    'dpop-client': absent(),
    'mutual-tls': absent(),
    'django-without-subject': fails(
      '401 invalid_token, the log says what to write',
      'All users of a client would be one principal.',
    ),
    outage: works(
      'meanwhile 200; an application started then: 503 with Retry-After, 200 once the server is back; a new token: 200',
    ),
  },
};

function isPythonRecent() {
  const [, major, minor] = /Python (\d+)\.(\d+)/.exec(versionOf('python3') ?? '') ?? [];
  return Number(major) === 3 && Number(minor) >= 10;
}

function pipInstall(folder) {
  if (existsSync(join(folder, 'venv/installed'))) return;
  run('python3', ['-m', 'venv', 'venv'], { cwd: folder });
  run('venv/bin/pip', ['install', '--quiet', `django-oauth-toolkit==${VERSION}`], { cwd: folder });
  run('openssl', ['genrsa', '-out', 'key.pem', '2048'], { cwd: folder });
  run('touch', ['venv/installed'], { cwd: folder });
}
