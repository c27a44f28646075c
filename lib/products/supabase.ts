import { ownMember } from '../core/record.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import type { Product } from './product.js';

/**
 * Supabase Auth of one project, as an OAuth 2.1 server. The project must sign with asymmetric keys; the old shared secret
 * (HS256) is not supported.
 *
 * `audience`: leave it out if a custom access token hook puts your resource identifier into `aud`. Otherwise set
 * `authenticated`, which is in every token of every OAuth client of the project. The tokens that users get for your own app
 * are still refused, since they name no client.
 *
 * Supabase has no custom scopes: its tokens never meet `@RequireScopes()`, unless the hook writes a `scope` claim. Use
 * `@Authorize()` policies instead, or let a claim that only your servers can set grant scopes (`grants`), such as
 * `/app_metadata/roles`.
 *
 * @throws {McpAuthConfigError} when the URL already ends in `/auth/v1`.
 * @see https://supabase.com/docs/guides/auth/oauth-server/token-security
 */
export function supabase(options: {
  /** Project URL, such as `https://abcdefghijklmnop.supabase.co`, or your custom domain. */
  projectUrl: string;
}): IssuerPreset {
  const given = new PresetArguments('supabase', options, ['projectUrl']);
  const issuer = `${given.url('projectUrl', 'https://abcdefghijklmnop.supabase.co', '/auth/v1')}/auth/v1`;
  given.check();
  return { issuer, discovery: 'oauth', algorithms: ['ES256', 'RS256'], claims: { clientId: ['client_id'] }, kindOf };
}

/**
 * Each token of a signed-in user names its session and the role `authenticated`. An anonymous user has both too, and has
 * proved nothing.
 *
 * @see https://supabase.com/docs/guides/auth/jwt-fields
 */
function kindOf(claims: Readonly<Record<string, unknown>>): 'user' | 'unknown' | undefined {
  if (ownMember(claims, 'is_anonymous') === true) return 'unknown';
  const hasSession = typeof ownMember(claims, 'session_id') === 'string';
  return hasSession && ownMember(claims, 'role') === 'authenticated' ? 'user' : undefined;
}

export const SUPABASE: Product = {
  name: 'Supabase',
  matches: ({ hostname, pathname }) => hostname.endsWith('.supabase.co') && pathname === '/auth/v1',
  preset: supabase,
  advice: {
    audience: (resource) =>
      `let a custom access token hook set aud to ${resource}; or set "authenticated" as the option audience, which accepts every client of the project`,
    registration: 'turn on Allow Dynamic OAuth Apps under Authentication → OAuth Server',
  },
  facts: {
    metadata: 'RFC 8414 inserted',
    pkce: '?',
    dynamicRegistration: 'opt-in',
    clientMetadataDocuments: '?',
    resourceIndicators: 'no, ignored°',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: '?',
    introspection: '?',
  },
};
