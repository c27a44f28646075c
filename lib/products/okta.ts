import { ownMember } from '../core/record.js';
import { PresetArguments } from './preset-arguments.js';
import type { IssuerPreset } from './preset.js';
import { ENTER_CLIENT_ID, type Product } from './product.js';

/**
 * A custom authorization server of Okta. There is no preset for the org authorization server: its access tokens are for
 * Okta's own APIs only, and other servers must not verify them.
 *
 * `audience`: leave it out if clients send `resource`, or the Audience of the authorization server is your resource
 * identifier. Otherwise set it to that Audience.
 *
 * `uid`, the user's ID, identifies the user. `sub` may be a login name, which can pass to another user.
 *
 * @throws {McpAuthConfigError} when the domain is not a bare host name, or is that of the admin console.
 * @see https://developer.okta.com/docs/concepts/auth-servers/
 */
export function okta(options: {
  /** Domain in the Issuer URI of the authorization server: that of the org, such as `acme.okta.com`, or your custom domain. */
  domain: string;
  /** ID of the custom authorization server. @default 'default' */
  authorizationServerId?: string;
}): IssuerPreset {
  const given = new PresetArguments('okta', options, ['domain', 'authorizationServerId']);
  const domain = given.host('domain', 'acme.okta.com');
  if (/^[^.]+-admin\./.test(domain)) {
    const write = `Write "${domain.replace('-admin.', '.')}"`;
    given.refuse('domain', domain, { why: 'it is the address of the admin console', write });
  }
  const id = given.has('authorizationServerId')
    ? given.text('authorizationServerId', /^[A-Za-z0-9]+$/, {
        why: 'must be the identifier of an authorization server',
        write: 'Write the last part of its Issuer URI, such as "aus9o8wzkhckw9TLa0h7"',
      })
    : 'default';
  given.check();
  const issuer = `https://${domain}/oauth2/${id}`;
  return {
    issuer,
    discovery: { url: `${issuer}/.well-known/openid-configuration` },
    claims: { scopes: ['scp'], clientId: ['cid'], subject: ['uid', 'sub'] },
    kindOf,
  };
}

/** `uid` is the ID of the user. Tokens of applications that act for themselves do not have it. */
function kindOf(claims: Readonly<Record<string, unknown>>): 'user' | undefined {
  return typeof ownMember(claims, 'uid') === 'string' ? 'user' : undefined;
}

export const OKTA: Product = {
  name: 'Okta',
  matches: ({ hostname }) => /\.(?:okta|oktapreview|okta-emea)\.com$/.test(hostname),
  preset: okta,
  advice: {
    issuer:
      'its issuer has the domain that clients use, never that of the admin console; see the setting Issuer of the authorization server',
    audience: (resource) => `use a custom authorization server (Security → API) with the Audience ${resource}`,
    registration: `its registration needs an administrator's token: ${ENTER_CLIENT_ID}`,
    exchange:
      'let the client of your server be an API Services app with the grant Token Exchange, and let a rule of an access policy allow it the scopes; an authorization server takes tokens of another one only if that is listed under its Trusted servers',
  },
  facts: {
    edition: 'custom server',
    metadata: 'RFC 8414 inserted, since 2026; OIDC appended',
    pkce: '?',
    dynamicRegistration: 'by administrators only',
    clientMetadataDocuments: 'for AI agents with token exchange only, in research',
    resourceIndicators: 'yes',
    responseIssuer: '?',
    accessToken: 'JWT',
    tokenType: '?',
    introspection: 'yes',
  },
  downstream: {
    grant: 'token-exchange',
    see: 'https://developer.okta.com/docs/guides/set-up-token-exchange/main/',
    // The org authorization server, without a path, does not exchange tokens of callers.
    isAt: ({ pathname }) => pathname.startsWith('/oauth2/'),
    target: '`scopes`; `audience`, the Audience of the authorization server',
  },
};
