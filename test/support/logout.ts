import { randomUUID } from 'node:crypto';
import type { MintOptions, TestIssuer } from 'nestjs-mcp-auth/testing';

export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
export const LOGOUT_PATH = '/backchannel-logout';
/** The client whose logout tokens are accepted. */
export const LOGOUT_CLIENT = 'mcp-client';

/** A logout token as issuers write it; `undefined` removes a claim. */
export function mintLogoutToken(
  issuer: TestIssuer,
  claims: Readonly<Record<string, unknown>> = {},
  options: MintOptions = {},
): Promise<string> {
  const defaults = { aud: LOGOUT_CLIENT, client_id: undefined, jti: randomUUID(), events: { [LOGOUT_EVENT]: {} } };
  return issuer.mint({ ...defaults, ...claims }, { ...options, header: { typ: 'logout+jwt', ...options.header } });
}

/** Sends a logout token as issuers do. */
export function sendLogout(resource: string, token: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(resource + LOGOUT_PATH, { method: 'POST', body: new URLSearchParams({ logout_token: token }), headers });
}
