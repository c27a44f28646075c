import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  resolveSettings,
  type DevAuthorizationServerOptions,
  type DevServerSettings,
  type DevUser,
} from './dev-server.options.js';
import { loadGrantHelpers, loadOidcProvider } from './oidc-provider.js';
import { createProvider, generateSigningKey } from './provider.js';
import { requestHandler } from './request-handler.js';

/** A running server. */
export interface DevAuthorizationServer {
  /** The issuer identifier, `http://127.0.0.1:<port>`: give it to the resource as its authorization server. */
  readonly issuer: string;
  /** Who can sign in, with their passwords. */
  readonly users: readonly DevUser[];
  /** Stops listening and drops open connections. All state is gone. Calling it again does nothing. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/**
 * Starts a real authorization server to try MCP authorization on a developer's machine. It is built on the certified
 * package `oidc-provider` (install it: `npm i -D oidc-provider`).
 *
 * It supports what MCP clients use: authorization code with PKCE (S256 only), open dynamic client registration, client ID
 * metadata documents (by https, or by http on a loopback host), resource indicators, `iss` in the response, step-up
 * consent, rotated refresh tokens, and JWT access tokens (RFC 9068, RS256) with the configured resource as `aud`. With
 * `introspection`, access tokens are opaque, and there is an introspection endpoint (RFC 7662). With `clients` and `apis`, MCP
 * servers exchange the tokens of their callers for those of other APIs (RFC 8693), and get tokens for themselves (client credentials).
 *
 * It does NOT protect anything: passwords are known, anyone may register a client, and state is in memory only. It listens
 * on 127.0.0.1 only, and starts only if NODE_ENV is unset, `development` or `test`.
 *
 * To use it without a browser, follow the redirects with a cookie jar. When they end at `/interaction/<id>`, POST
 * `username` and `password` to `/interaction/<id>/login`, then nothing to `/interaction/<id>/confirm` (or `/abort`).
 *
 * ```ts
 * const server = await startDevAuthorizationServer({
 *   resources: [{ resource: 'http://127.0.0.1:3000/mcp', name: 'Notes', scopes: { 'notes:read': 'Read your notes' } }],
 * });
 * ```
 */
export async function startDevAuthorizationServer(
  options: DevAuthorizationServerOptions,
): Promise<DevAuthorizationServer> {
  refuseOutsideDevelopment(process.env['NODE_ENV'] ?? '');
  const settings = resolveSettings(options);
  const [peer, signingKey] = await Promise.all([loadOidcProvider(), generateSigningKey()]);
  const server = await listen(settings);
  const issuer = `http://${HOST}:${portOf(server)}`;
  const helpers = settings.clients.length > 0 && settings.dpop ? await loadGrantHelpers() : undefined;
  server.on('request', requestHandler(createProvider(issuer, { peer, helpers, settings, signingKey }), settings));
  return { issuer, users: settings.users, close: () => close(server) };
}

const ENVIRONMENTS: ReadonlySet<string> = new Set(['', 'development', 'test']);

/** Refuses every environment that is not on the list: production environments have too many names. */
function refuseOutsideDevelopment(environment: string): void {
  if (ENVIRONMENTS.has(environment)) return;
  throw new Error(
    `The development authorization server refuses to start with NODE_ENV=${environment}: its passwords are known to everyone. ` +
      'Unset NODE_ENV, or set it to development or test.',
  );
}

async function listen({ port, onNotice }: DevServerSettings): Promise<Server> {
  try {
    return await listenOn(port);
  } catch (error) {
    // EACCES: privileged ports, and ports that Windows reserves.
    if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const server = await listenOn(0);
    onNotice(`port ${port} is taken, so ${portOf(server)} is used`);
    return server;
  }
}

async function listenOn(port: number): Promise<Server> {
  const server = createServer().listen(port, HOST);
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
