/** An authorization server on Better Auth, with the sign-in and consent pages that it leaves to the application. */
import http from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

const { PORT, RESOURCE, DATABASE } = process.env;
const BASE = `http://127.0.0.1:${PORT}`;
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'notes:read', 'notes:write'];

const config = {
  baseURL: BASE,
  secret: 'a secret of this run, which protects nothing',
  database: new DatabaseSync(DATABASE),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  trustedOrigins: [BASE],
  logger: { level: 'warn' },
  plugins: [
    jwt(),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      scopes: SCOPES,
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      clientRegistrationDefaultScopes: SCOPES,
      clientRegistrationAllowedScopes: SCOPES,
      resources: [{ identifier: RESOURCE, name: 'notes' }],
      clientRegistrationDefaultResources: [RESOURCE],
    }),
  ],
};
const auth = betterAuth(config);
await (await getMigrations(config)).runMigrations();
for (const name of ['alice', 'bob']) {
  // After a restart they exist already.
  await auth.api
    .signUpEmail({ body: { email: `${name}@example.com`, password: `${name}-password`, name } })
    .catch(() => undefined);
}

const SIGN_IN =
  '<input name="email"><input name="password" type="password"><button name="go" value="1">Sign in</button>';
const CONSENT = '<button name="accept" value="yes">Allow</button>';

const PAGES = {
  '/login': {
    fields: SIGN_IN,
    endpoint: '/sign-in/email',
    bodyOf: (form) => ({ email: form.get('email'), password: form.get('password') }),
  },
  '/consent': { fields: CONSENT, endpoint: '/oauth2/consent', bodyOf: () => ({ accept: true }) },
};

const handler = toNodeHandler(auth);
http
  .createServer(async (request, response) => {
    const { pathname, search } = new URL(request.url, BASE);
    // A new key is made when the next token is signed.
    if (pathname === '/rotate') return response.end(String(config.database.exec('DELETE FROM jwks')));
    const page = PAGES[pathname];
    if (!page) return handler(request, response);
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html');
      return response.end(`<form method="post" action="${pathname}${search}">${page.fields}</form>`);
    }
    const form = new URLSearchParams(await text(request));
    return forward(request, response, page.endpoint, { ...page.bodyOf(form), oauth_query: search.slice(1) });
  })
  .listen(Number(PORT), '127.0.0.1');

/** Calls an endpoint of Better Auth for the browser, and sends the browser where the answer says. */
async function forward(request, response, endpoint, body) {
  const answer = await auth.handler(
    new Request(`${BASE}/api/auth${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: request.headers.cookie ?? '', origin: BASE },
      body: JSON.stringify(body),
    }),
  );
  for (const cookie of answer.headers.getSetCookie()) response.appendHeader('set-cookie', cookie);
  const content = await answer.json().catch(() => ({}));
  const location = answer.headers.get('location') ?? content.url ?? content.redirect_uri;
  if (location === undefined) response.writeHead(answer.status).end(JSON.stringify(content));
  else response.writeHead(302, { location }).end();
}
