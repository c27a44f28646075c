import type { AuthorizationServer } from '../issuer/authorization-server.js';
import type { DpopKey } from '../issuer/dpop-key.js';
import type { DiscoveredEndpoint } from '../issuer/endpoint-location.js';
import type { Outbound } from '../issuer/outbound.js';
import { TokenEndpoint } from '../issuer/token-endpoint.js';
import type { ResolvedTokenClient } from '../options/identity-provider-options.js';

/** What a client of authorization servers needs besides its options. */
export interface TokenClientDependencies {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly outbound: Outbound;
  /** The authorization server of a client, which finds the endpoint if the options do not name it. */
  readonly serverOf: (client: ResolvedTokenClient) => AuthorizationServer;
}

/** The token endpoint where this server is this client. Its tokens are bound to the key of the client, if it has one. */
export function tokenEndpointOf(
  client: ResolvedTokenClient & { readonly dpop?: DpopKey | undefined },
  dependencies: TokenClientDependencies,
): TokenEndpoint {
  const { issuer, clientId, authenticate, tokenEndpoint, dpop } = client;
  const server = dependencies.serverOf(client);
  const endpoint: string | DiscoveredEndpoint = tokenEndpoint ?? {
    url: (purpose) => server.endpoint('token_endpoint', purpose, authenticate.certificate !== undefined),
    forget: () => server.forgetMetadata(),
  };
  const settings = { issuer, clientId, authenticate, endpoint, dpop };
  return new TokenEndpoint(settings, dependencies.now, dependencies.outbound);
}
