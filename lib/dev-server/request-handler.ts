import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import type { DevServerSettings } from './dev-server.options.js';
import { answerInteraction } from './interactions.js';
import { sendPage } from './page-response.js';
import { renderError, renderHome } from './pages.js';
import { ROUTES } from './provider-configuration.js';

/** Paths that clients in a browser call from their own pages. They read no cookie, so any origin may call them. */
const CROSS_ORIGIN_PATHS = new Set<string>([
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  ROUTES.jwks,
  ROUTES.token,
  ROUTES.registration,
  ROUTES.revocation,
]);

/** Checks the host, answers CORS and serves our own pages. Passes all other requests to the provider. */
export function requestHandler(provider: Provider, settings: DevServerSettings): RequestListener {
  const oidc = provider.callback();
  const home = renderHome(homeView(provider.issuer, settings));
  return (request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    if (`http://${request.headers.host}` !== provider.issuer) return sendWrongHost(response, provider.issuer);
    if (CROSS_ORIGIN_PATHS.has(path) && allowOrigin(request, response)) return;
    if (path === '/' && request.method === 'GET') return sendPage(response, 200, home);
    if (!path.startsWith('/interaction/')) return void oidc(request, response);
    answerInteraction(provider, settings, request, response).catch((error: unknown) =>
      sendFailure(response, settings, error),
    );
  };
}

/** Sets the CORS headers. Returns true for a preflight, which it has answered. */
function allowOrigin({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'www-authenticate');
  if (method !== 'OPTIONS') return false;
  response.setHeader('access-control-allow-methods', 'GET, POST');
  response.setHeader('access-control-allow-headers', headers['access-control-request-headers'] ?? '');
  response.setHeader('access-control-max-age', '600');
  response.writeHead(204).end();
  return true;
}

/**
 * Refuses other host names. Otherwise a web page could sign in with the known passwords by DNS rebinding, and the provider
 * would build its URLs from the wrong host name.
 */
function sendWrongHost(response: ServerResponse, issuer: string): void {
  const details = [`This server is ${issuer}, spelled exactly like that.`];
  sendPage(response, 421, renderError({ title: 'Wrong host name', code: 'misdirected_request', details }));
}

function sendFailure(response: ServerResponse, settings: DevServerSettings, error: unknown): void {
  settings.onNotice(`a page failed: ${error instanceof Error ? error.message : String(error)}`);
  if (response.headersSent) response.destroy();
  else sendPage(response, 500, renderError({ title: 'Something went wrong', code: 'server_error', details: [] }));
}

function homeView(issuer: string, { resources, users }: DevServerSettings) {
  const views = resources.map(({ resource, name, scopes }) => ({
    title: name ?? resource,
    identifier: resource,
    scopes: Object.keys(scopes),
  }));
  return { issuer, resources: views, users };
}
