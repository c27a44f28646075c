/** Ory Hydra, built from the Go module proxy: about three minutes, once. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../machine/cache.js';
import { freePort } from '../machine/free-port.js';
import { install } from '../machine/install.js';
import { run, ServerProcess, versionOf } from '../machine/processes.js';
import { CLIENT_METADATA } from '../client/official-client.js';
import { signIn } from '../client/oauth.js';
import { absent, fails, works } from './expectation.js';
import { startConsentApp } from './hydra/consent.js';

const VERSION = '2.3.0';
/** What go.mod of Hydra replaces, which Go ignores in dependencies. */
const REPLACED = 'github.com/gobuffalo/pop/v6=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b';
const SCOPES = 'openid offline_access notes:read notes:write';

const STORY = 'signs in, whoami works, list-notes works, delete-note works after step-up';
const UNREADABLE = 'ZodError: client_uri, contacts';
const UNREAD = 'Its answer has empty and null members, on which the official clients give up: register them.';

const EXPECTED = {
  metadata: works('OIDC appended'),
  features: works('PKCE plain and S256, registration, revocation'),
  'doctor-issuer': works(
    'warning AS-07, AS-08',
    'The official clients cannot read its registrations; it does not send `iss`.',
  ),
  'doctor-registration': works('warning AS-07', 'The doctor says that the official clients cannot read the answer.'),
  'doctor-token': works('nothing to complain of'),
  'dynamic-registration': fails(UNREADABLE, UNREAD),
  'dynamic-registration-all': fails(UNREADABLE, UNREAD),
  'client-metadata-document': absent(),
  'two-users': works('alice is one principal, bob is another'),
  scopes: works('list-notes 200, delete-note 403 insufficient_scope'),
  refresh: works('200, the refresh token is replaced'),
  'other-tokens': works('refresh token 401 invalid_token, ID token 401 invalid_token, for others 401 invalid_token'),
  introspection: works(
    'access token 200, refresh token 401 invalid_token, ID token 401 invalid_token, invented 401 invalid_token',
  ),
  'audience-bound': works('refresh token 401 invalid_token, ID token 401 invalid_token'),
  dpop: absent(),
  'dpop-off': absent(),
  'dpop-client': absent(),
  'mutual-tls': absent(),
  outage: works(
    'meanwhile 200; an application started then: 503 with Retry-After, 401 once the server is back; a new token: 200',
    'Here it keeps everything in memory, so tokens from before the restart are unknown.',
  ),
};

/** @type {import('./product.js').Product} */
export const hydra = {
  name: 'Ory Hydra',
  version: VERSION,
  variant: 'JWTs',
  onlyByName: true,
  missing: missingGo,
  start: ({ resource }) => start(resource, 'jwt'),
  expected: {
    ...EXPECTED,
    registered: works(STORY, 'Its JWTs have their scopes in `scp`, which a plain issuer is read with, too.'),
    'doctor-other-token': works('error RFC9068-4-c', 'The consent application decides about the audience.'),
    revocation: works(
      '200 before, 200 after; where introspected, 200 before, 401 invalid_token after',
      'A JWT counts until it expires. Introspection ends it at once, with `cacheSeconds: 0`.',
    ),
    'key-rotation': works('200 before; new key: 200; the old token: 200'),
  },
};

/** @type {import('./product.js').Product} */
export const hydraOpaque = {
  name: 'Ory Hydra',
  version: VERSION,
  variant: 'opaque tokens, its default',
  onlyByName: true,
  missing: missingGo,
  start: ({ resource }) => start(resource, 'opaque'),
  expected: {
    ...EXPECTED,
    registered: works(STORY, 'The endpoint of introspection is at the admin port, which its metadata does not name.'),
    'doctor-other-token': works('error MCP-26-RS-02', 'The consent application decides about the audience.'),
    revocation: works(
      '200 before, 200 after; where introspected, 200 before, 401 invalid_token after',
      'An answer of introspection is remembered for up to `introspection.cacheSeconds`.',
    ),
  },
};

function missingGo() {
  return versionOf('go', ['version']) === undefined ? 'Go' : undefined;
}

/** @param {string} resource @param {'jwt' | 'opaque'} format of access tokens */
async function start(resource, format) {
  const folder = install(build);
  const [port, adminPort, consentPort] = [await freePort(), await freePort(), await freePort()];
  const issuer = `http://127.0.0.1:${port}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  const config = configuration({ port, adminPort, consentPort, issuer, format });
  writeFileSync(join(folder, `${format}.json`), JSON.stringify(config));
  const server = new ServerProcess({
    command: join(folder, 'hydra'),
    args: ['serve', 'all', '--dev', '-c', `${format}.json`],
    cwd: folder,
    ready: `${issuer}/health/ready`,
  });
  await server.start();
  const makeClient = (clientId) => registerClient(admin, clientId, resource);
  const audienceOf = (clientId) => (clientId === 'mcp-others' ? [] : [resource]);
  const consent = await startConsentApp({ port: consentPort, admin, audienceOf });
  await Promise.all(['mcp-public', 'mcp-others'].map(makeClient));
  const users = { alice: { username: 'alice', password: 'x' }, bob: { username: 'bob', password: 'x' } };
  // Its admin port asks for no credentials.
  const auth = { method: 'client_secret_basic', clientSecret: 'none' };
  const introspection = { endpoint: `${admin}/admin/oauth2/introspect`, clientId: 'none', auth };
  return {
    issuer,
    users,
    client: { clientId: 'mcp-public' },
    introspection,
    ...(format === 'opaque' && { options: { introspection } }),
    standardScopes: 'openid offline_access',
    tokenForOthers: async ({ metadata }) =>
      (await signIn(metadata, { client: { clientId: 'mcp-others' }, user: users.alice, scope: 'notes:read' }))
        .access_token,
    async kill() {
      await server.kill();
      consent.unref();
    },
    async restart() {
      await server.start();
      // Everything was in memory.
      await makeClient('mcp-public');
    },
    ...(format === 'jwt' && { rotateKeys: () => rotateKeys(admin) }),
  };
}

function build() {
  const folder = cacheFolder(`hydra-${VERSION}`);
  if (existsSync(join(folder, 'hydra'))) return folder;
  if (!existsSync(join(folder, 'go.mod'))) run('go', ['mod', 'init', 'lab'], { cwd: folder });
  run('go', ['mod', 'edit', '-replace', REPLACED], { cwd: folder });
  run('go', ['get', '-tool', `github.com/ory/hydra/v2@v${VERSION}`], { cwd: folder });
  run('go', ['build', '-tags', 'sqlite,json1', '-o', 'hydra', 'github.com/ory/hydra/v2'], { cwd: folder });
  return folder;
}

function configuration({ port, adminPort, consentPort, issuer, format }) {
  const registration = { enabled: true, default_scope: SCOPES.split(' ') };
  const host = '127.0.0.1';
  return {
    dsn: 'memory',
    serve: {
      public: { host, port, cors: { enabled: true, allowed_origins: ['*'] } },
      admin: { host, port: adminPort },
    },
    urls: {
      self: { issuer },
      login: `http://127.0.0.1:${consentPort}/login`,
      consent: `http://127.0.0.1:${consentPort}/consent`,
    },
    secrets: { system: ['a secret of this run, which protects nothing'] },
    oidc: { dynamic_client_registration: registration },
    webfinger: {
      oidc_discovery: {
        supported_scope: ['notes:read', 'notes:write'],
        // Without it, the metadata does not say that clients can register.
        client_registration_url: `${issuer}/oauth2/register`,
      },
    },
    ttl: { access_token: '5m' },
    strategies: { access_token: format },
    oauth2: { pkce: { enforced_for_public_clients: true } },
    log: { level: 'warn' },
    sqa: { opt_out: true },
  };
}

async function registerClient(admin, clientId, resource) {
  const client = { ...CLIENT_METADATA, client_id: clientId, scope: SCOPES, audience: [resource] };
  await postJson(`${admin}/admin/clients`, client);
}

async function rotateKeys(admin) {
  for (const set of ['hydra.jwt.access-token', 'hydra.openid.id-token']) {
    await postJson(`${admin}/admin/keys/${set}`, { alg: 'RS256', use: 'sig', kid: crypto.randomUUID() });
  }
}

async function postJson(url, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
}
