/**
 * The result of a preset: one entry for `authorizationServers`, with the issuer of a product, and with its metadata, keys,
 * algorithms and claims. Spread it to change a member: `{ ...keycloak({ url, realm }), algorithms: ['ES256'] }`.
 *
 * Contains no audience, which is an option of the resource. Each preset documents the `aud` of its product's tokens.
 */
export interface IssuerPreset {
  /** The issuer as the product spells it in its tokens. */
  issuer: string;
  /** The issuer that is advertised to clients instead, if they must start at another URL. */
  advertisedIssuer?: string;
  /** The documented location of the metadata: `oauth` and `oidc` are the two standard ones. */
  discovery?:
    | 'oauth'
    | 'oidc'
    | {
        /** URL of the metadata document itself. */
        readonly url: string;
      };
  /** The documented URL of the keys, if no metadata with this issuer names them. */
  jwksUri?: string;
  /** The documented signature algorithms of the product; undefined (every supported one) if they can be configured. */
  algorithms?: string[];
  /** Names of the claims, if they differ from those of the standards. */
  claims?: {
    /** Claims with the scopes; the first one with a value counts. @default `scope`, `scp` */
    scopes?: string[];
    /** Claims with the client; the first one with a value counts. @default `client_id`, `azp`, `cid`, `appid` */
    clientId?: string[];
    /** Claims with the user; the first one with a value counts. @default `sub` */
    subject?: string[];
    /** Claims that are compared with the accepted audiences. @default `aud` */
    audience?: string[];
  };
  /** Determines whether a token acts for a user or for a client; see `AuthorizationServerOptions.kindOf`. */
  kindOf?: (claims: Readonly<Record<string, unknown>>) => 'user' | 'client' | 'unknown' | undefined;
}
