import { ownMember } from '../core/record.js';
import type { Requirement } from '../core/requirement.js';
import { metadataUrls } from '../issuer/discovery.js';
import { ResolvedOptions } from '../options/options.js';
import type { ResolvedAuthorizationServer } from '../options/authorization-server-options.js';
import type { ResolvedResource } from '../options/resource-options.js';
import type { SecurityRequirement } from './document.js';

/** A security scheme of OpenAPI 3: where clients get access tokens. */
type SecurityScheme =
  | { readonly type: 'openIdConnect'; readonly openIdConnectUrl: string }
  | { readonly type: 'oauth2'; readonly flows: Readonly<Record<string, unknown>> };

/** The security schemes of a document: one for each issuer, named when a requirement first needs it. */
export class SecuritySchemes {
  readonly #issuers: readonly string[];
  readonly #used = new Map<string, { readonly server: ResolvedAuthorizationServer; readonly scopes: Set<string> }>();

  constructor(
    private readonly name: string,
    { resources }: ResolvedOptions,
  ) {
    const servers = resources.flatMap(({ authorizationServers }) => authorizationServers);
    this.#issuers = [...new Set(servers.map(({ issuer }) => issuer))];
  }

  /** A token of one of the issuers, with these scopes. Each alternative names one scope of each `anyOf` group. */
  requirementsOf({ authorizationServers }: ResolvedResource, requirement: Requirement): SecurityRequirement[] {
    const alternatives = requirement.anyOf.reduce<readonly (readonly string[])[]>(
      (chosen, group) => chosen.flatMap((scopes) => group.map((scope) => [...scopes, scope])),
      [requirement.allOf],
    );
    return authorizationServers.flatMap((server) =>
      alternatives.map((scopes) => ({ [this.#use(server, scopes)]: [...new Set(scopes)] })),
    );
  }

  /** The schemes of the requirements so far. */
  get used(): Record<string, SecurityScheme> {
    return Object.fromEntries([...this.#used].map(([name, { server, scopes }]) => [name, schemeOf(server, scopes)]));
  }

  /** The first issuer has the name itself, and the others have their number in it. */
  #use(server: ResolvedAuthorizationServer, scopes: readonly string[]): string {
    const index = this.#issuers.indexOf(server.issuer);
    const name = index === 0 ? this.name : `${this.name}-${index + 1}`;
    const used = this.#used.get(name) ?? { server, scopes: new Set<string>() };
    for (const scope of scopes) used.scopes.add(scope);
    this.#used.set(name, used);
    return name;
  }
}

/** With the endpoints, if the options have them; otherwise with the URL where clients find them. */
function schemeOf(server: ResolvedAuthorizationServer, scopes: ReadonlySet<string>): SecurityScheme {
  const { metadata, advertisedIssuer } = server;
  if (metadata.kind === 'static') {
    const authorizationUrl = ownMember(metadata.document, 'authorization_endpoint');
    const tokenUrl = ownMember(metadata.document, 'token_endpoint');
    if (typeof authorizationUrl === 'string' && typeof tokenUrl === 'string') {
      const described = Object.fromEntries([...scopes].toSorted().map((scope) => [scope, '']));
      return { type: 'oauth2', flows: { authorizationCode: { authorizationUrl, tokenUrl, scopes: described } } };
    }
  }
  const discovery = metadata.kind === 'discovery' && metadata.discovery !== 'auto' ? metadata.discovery : 'oidc';
  // Of the two forms of OpenID Connect, the last is the one that its specification has.
  return {
    type: 'openIdConnect',
    openIdConnectUrl: metadataUrls(advertisedIssuer, discovery).at(-1) ?? advertisedIssuer,
  };
}
