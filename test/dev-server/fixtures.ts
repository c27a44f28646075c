import { createRemoteJWKSet, jwtVerify, type JWTVerifyResult } from 'jose';
import {
  startDevAuthorizationServer,
  type DevAuthorizationServer,
  type DevAuthorizationServerOptions,
} from 'nestjs-mcp-auth/dev-server';

export const RESOURCE = 'http://127.0.0.1:3000/mcp';
export const SCOPES = { 'notes:read': 'Read your notes', 'notes:write': 'Change your notes' };

export function start(options: Partial<DevAuthorizationServerOptions> = {}): Promise<DevAuthorizationServer> {
  return startDevAuthorizationServer({
    resources: [{ resource: RESOURCE, name: 'Notes', scopes: SCOPES }],
    ...options,
  });
}

/** Verifies an access token as a resource would (RFC 9068 §4). */
export function verify(token: string, issuer: string, audience = RESOURCE): Promise<JWTVerifyResult> {
  return jwtVerify(token, createRemoteJWKSet(new URL(`${issuer}/jwks`)), { issuer, audience, typ: 'at+jwt' });
}
