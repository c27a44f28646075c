/** OAuth by hand: tokens as a step needs them, and the other endpoints of an authorization server. */
import { createHash, randomBytes } from 'node:crypto';
import { Browser } from './browser.js';

export const REDIRECT_URI = 'http://127.0.0.1:7777/callback';

/** @typedef {{ clientId: string, clientSecret?: string }} OAuthClient */

/**
 * Looks for metadata at the three places where MCP clients look.
 *
 * @param {string} issuer
 * @returns {Promise<{ place: string, document: Record<string, any> }[]>}
 */
export async function metadataPlaces(issuer) {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = {
    'RFC 8414 inserted': `${origin}/.well-known/oauth-authorization-server${path}`,
    'OIDC inserted': `${origin}/.well-known/openid-configuration${path}`,
    'OIDC appended': `${origin}${path}/.well-known/openid-configuration`,
  };
  // For an issuer without a path, both forms of OpenID Connect are one.
  if (path === '') delete places['OIDC inserted'];
  const found = await Promise.all(
    Object.entries(places).map(async ([place, url]) => ({ place, document: await jsonAt(url) })),
  );
  return found.filter(({ document }) => document !== undefined);
}

async function jsonAt(url) {
  const response = await fetch(url, { redirect: 'manual' });
  const isJson = /^application\/json\b/.test(response.headers.get('content-type') ?? '');
  return response.ok && isJson ? response.json() : undefined;
}

/**
 * Signs a user in: authorization code with PKCE.
 *
 * @param {Record<string, any>} metadata
 * @param {{ client: OAuthClient, user: { username: string, password: string }, scope?: string, resource?: string,
 *   parameters?: Record<string, string>, key?: import('./dpop-key.js').DpopKey }} request
 * @returns {Promise<Record<string, any>>} the token response, or the error of the authorization response
 */
export async function signIn(metadata, { client, user, scope, resource, parameters = {}, key }) {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(12).toString('base64url');
  const forBoth = resource === undefined ? {} : { resource };
  const url = new URL(metadata.authorization_endpoint);
  const query = {
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: REDIRECT_URI,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(scope !== undefined && { scope }),
    ...forBoth,
    ...parameters,
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const answer = (await new Browser(user).visit(url, REDIRECT_URI)).searchParams;
  if (answer.get('state') !== state) throw new Error('the authorization response has another state');
  if (!answer.has('code')) return Object.fromEntries(answer);
  const { body } = await post(
    metadata.token_endpoint,
    {
      grant_type: 'authorization_code',
      code: answer.get('code'),
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
      ...forBoth,
    },
    { client, key },
  );
  return body;
}

/** Refreshes a token. */
export function refresh(metadata, refreshToken, { client, resource }) {
  const parameters = { grant_type: 'refresh_token', refresh_token: refreshToken, ...(resource && { resource }) };
  return post(metadata.token_endpoint, parameters, { client });
}

/**
 * Sends a form to an endpoint: as a confidential client by Basic, as a public one by `client_id`.
 *
 * @param {string} url
 * @param {Record<string, string>} parameters
 * @param {{ client?: OAuthClient, key?: import('./dpop-key.js').DpopKey }} [as]
 */
export async function post(url, parameters, { client, key } = {}) {
  const body = new URLSearchParams(parameters);
  const headers = { accept: 'application/json' };
  if (client?.clientSecret !== undefined) {
    const pair = [client.clientId, client.clientSecret].map(encodeURIComponent).join(':');
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  } else if (client) body.set('client_id', client.clientId);
  if (key) headers.dpop = key.proof({ method: 'POST', url });
  const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual' });
  return { status: response.status, body: jsonIn(await response.text()) };
}

/** The claims of a JWT, unverified; undefined for an opaque token. */
export function claimsOf(token) {
  return jsonIn(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) ?? undefined;
}

/** Names of the members of a token that are worth a line in a report, without their values. */
export function headerOf(token) {
  return jsonIn(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) ?? undefined;
}

function jsonIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
