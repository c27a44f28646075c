/**
 * What a preset returns: one entry for `authorizationServers`, with the issuer of a product and the places where that
 * product puts things. Spread it to change one of them: `{ ...keycloak({ url, realm }), algorithms: ['ES256'] }`.
 *
 * Holds no audience: that is up to the resource, and each preset says what this product makes of it.
 */
export interface IssuerPreset {
  /** As the product spells it in its tokens. */
  issuer: string;
  /** What clients are told instead, where the product has them begin elsewhere. */
  advertisedIssuer?: string;
  /** Where the product documents its metadata to be: `oauth` and `oidc` for the standard place. */
  discovery?:
    | 'oauth'
    | 'oidc'
    | {
        /** Of the metadata document itself. */
        readonly url: string;
      };
  /** Where the product documents its keys to be, if not in metadata that names this very issuer. */
  jwksUri?: string;
  /** What the product documents to sign with; all that are supported where it can be configured. */
  algorithms?: string[];
  /** Where the product puts them, if not where the standards do. */
  claims?: {
    /** Of these, the first one that says something holds the scopes. @default `scope`, `scp` */
    scopes?: string[];
    /** The same for the client. @default `client_id`, `azp`, `cid`, `appid` */
    clientId?: string[];
    /** The same for the user. @default `sub` */
    subject?: string[];
    /** What is compared with the accepted audiences. @default `aud` */
    audience?: string[];
  };
  /** What the product documents of whose its tokens are; see `AuthorizationServerOptions.kindOf`. */
  kindOf?: (claims: Readonly<Record<string, unknown>>) => 'user' | 'client' | 'unknown' | undefined;
}
