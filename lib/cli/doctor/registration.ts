import type { OutboundRequest } from '../../issuer/outbound.js';
import type { Prober } from './prober.js';
import { isRefusal, type ProbeResult } from './probe-result.js';

/** The answers to registering a client as the official MCP clients do. */
export interface RegistrationAnswers {
  /** The scopes that the request named. */
  readonly scopes: readonly string[];
  readonly seen: ProbeResult;
  /** The same request without scopes; undefined unless the first one was refused. */
  readonly withoutScopes: ProbeResult | undefined;
}

/** Most scopes that are sent: a server may list any number. */
const MOST_SCOPES = 50;

/** The scope to send if no scopes are known. Every OpenID Connect server has it. */
export const SOME_SCOPE = 'openid';

/**
 * Registers a client with the members that the official clients send for a redirect to this machine, `application_type` and
 * `scope` included (RFC 7591 §2, MCP 2026-07-28). If the server refuses, tries once more without scopes, to learn why.
 *
 * @param scopes the scopes that a client would request: those of the first challenge, else those of the metadata
 */
export async function registerClient(
  prober: Prober,
  endpoint: string,
  scopes: readonly string[],
): Promise<RegistrationAnswers> {
  const asked = scopes.length > 0 ? scopes.slice(0, MOST_SCOPES) : [SOME_SCOPE];
  const seen = await prober.send(endpoint, registration({ scope: asked.join(' ') }));
  const withoutScopes = isRefusal(seen) ? await prober.send(endpoint, registration({})) : undefined;
  return { scopes: asked, seen, withoutScopes };
}

function registration(more: { readonly scope?: string }): OutboundRequest {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      client_name: 'nestjs-mcp-auth doctor (may be deleted)',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      ...more,
    }),
  };
}
