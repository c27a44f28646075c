import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';

/**
 * One realm of Keycloak.
 *
 * `audience`: nothing to set where an Audience mapper of a client scope puts your resource identifier into `aud`, or
 * the feature `resource-indicators` is on; without either, tokens have no audience that this server could accept.
 *
 * Roles are no scopes, and are left in the claims: an `@Authorize()` policy can read `realm_access` and
 * `resource_access` there. Where they must serve as scopes, see `claims.scopes` and its JSON Pointers.
 *
 * @throws {McpAuthConfigError} when the URL already names a realm, or the realm is no single path segment.
 * @see https://www.keycloak.org/securing-apps/mcp-authz-server
 */
export function keycloak(options: {
  /** Where Keycloak is reached by clients, such as `https://login.example.com`; with `/auth`, if it is under that. */
  url: string;
  /** Name of the realm, case and all. */
  realm: string;
}): IssuerPreset {
  const given = new PresetArguments('keycloak', options, ['url', 'realm']);
  const url = given.url('url', 'https://login.example.com', '/realms/');
  const realm = given.text('realm', /^[^/?#%\s]+$/, {
    why: 'it is no name of a realm',
    write: 'Write its name, such as "main"',
  });
  given.check();
  const issuer = `${url}/realms/${realm}`;
  return {
    issuer,
    // The form of RFC 8414 is new there, and not found at the root where Keycloak is under a path.
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    claims: { clientId: ['azp', 'client_id'] },
  };
}
