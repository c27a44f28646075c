import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import type { DevServerSettings } from './dev-server.options.js';
import { answerInteraction } from './interactions.js';
import { sendPage } from './page-response.js';
import { renderError, renderHome } from './pages.js';
import { ROUTES } from './provider-configuration.js';

/** What browser-based clients call from their own pages. No cookie is read there, so any origin may. */
const CROSS_ORIGIN_PATHS = new Set<string>([
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  ROUTES.jwks,
  ROUTES.token,
  ROUTES.registration,
  ROUTES.revocation,
]);

/** Our own pages, CORS and the check of the host; all the rest is the provider's. */
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

/** Returns whether the request was a preflight, which is answered here. */
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
 * A web page whose host name was made to point here (DNS rebinding) could otherwise sign in with the known passwords; and
 * the provider builds its URLs from this header.
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
