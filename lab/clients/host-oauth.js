/**
 * The OAuth of a host whose SDK has none, such as that of Java: takes the challenge, and prints the token response.
 *
 *     node host-oauth.js 'Bearer resource_metadata="…", scope="…"'
 */
import { createHash, randomBytes } from 'node:crypto';
import { authorize } from './user.js';

const REDIRECT = 'http://127.0.0.1:33418/callback';

async function json(url, init) {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

async function register({ registration_endpoint: endpoint }) {
  const metadata = {
    client_name: 'A host',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  };
  const headers = { 'content-type': 'application/json' };
  const { client_id: clientId } = await json(endpoint, { method: 'POST', headers, body: JSON.stringify(metadata) });
  return clientId;
}

async function tokenFor(challenge) {
  const asked = Object.fromEntries(
    Array.from(challenge.matchAll(/(\w+)="([^"]*)"/g), ([, name, value]) => [name, value]),
  );
  const { resource, authorization_servers: servers } = await json(asked.resource_metadata);
  const server = await json(new URL('/.well-known/oauth-authorization-server', servers[0]));
  const client = await register(server);
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const request = {
    response_type: 'code',
    client_id: client,
    redirect_uri: REDIRECT,
    resource,
    state,
    scope: asked.scope ?? '',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  };
  const answer = (await authorize(`${server.authorization_endpoint}?${new URLSearchParams(request)}`)).searchParams;
  if (answer.get('state') !== state) throw new Error('another state came back');
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code: answer.get('code'),
    redirect_uri: REDIRECT,
    client_id: client,
    code_verifier: verifier,
    resource,
  });
  return json(server.token_endpoint, { method: 'POST', body });
}

console.log(JSON.stringify(await tokenFor(process.argv[2])));
