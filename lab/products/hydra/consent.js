/** The sign-in and consent pages that Ory Hydra expects to find elsewhere. They grant the audience that they are told. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const SIGN_IN =
  '<input name="username"><input name="password" type="password"><button name="go" value="1">Sign in</button>';
const CONSENT = '<button name="accept" value="yes">Allow</button>';

/**
 * @param {{ port: number, admin: string, audienceOf: (clientId: string) => string[] }} settings `admin`: the URL of the admin port
 */
export async function startConsentApp({ port, admin, audienceOf }) {
  const ask = async (method, path, body) => {
    const response = await fetch(`${admin}/admin/oauth2/auth/requests${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return response.json();
  };
  const pages = {
    '/login': {
      fields: SIGN_IN,
      accept: (challenge, form) =>
        ask('PUT', `/login/accept?login_challenge=${challenge}`, { subject: form.get('username'), remember: false }),
    },
    '/consent': {
      fields: CONSENT,
      accept: async (challenge) => {
        const wish = await ask('GET', `/consent?consent_challenge=${challenge}`);
        return ask('PUT', `/consent/accept?consent_challenge=${challenge}`, {
          grant_scope: wish.requested_scope,
          grant_access_token_audience: audienceOf(wish.client.client_id),
        });
      },
    },
  };
  const server = createServer(async (request, response) => {
    const { pathname, search, searchParams } = new URL(request.url, 'http://127.0.0.1');
    const page = pages[pathname];
    if (!page) return response.writeHead(404).end();
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html');
      return response.end(`<form method="post" action="${pathname}${search}">${page.fields}</form>`);
    }
    const challenge = searchParams.get('login_challenge') ?? searchParams.get('consent_challenge');
    const { redirect_to: location } = await page.accept(challenge, new URLSearchParams(await text(request)));
    return response.writeHead(302, { location }).end();
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
