import type Provider from 'oidc-provider';
import type { TokenEndpointGrantContext } from 'oidc-provider';
import type { DevApi, DevClient } from './dev-client.options.js';
import type { DevServerSettings } from './dev-server.options.js';
import type { IssuedToken, IssuedTokens } from './issued-tokens.js';
import type { GrantHelpers, OidcProviderModule } from './oidc-provider.js';
import { findResource, JWT_ACCESS_TOKEN } from './resources.js';

/** @see RFC 8693 §2.1 */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
/** A JWT is what the tokens for APIs are, too (RFC 8693 §3). */
const ISSUED_TYPES: ReadonlySet<unknown> = new Set([undefined, ACCESS_TOKEN, 'urn:ietf:params:oauth:token-type:jwt']);

/** Parameters that a request may repeat (RFC 8693 §2.1). */
const REPEATABLE = ['resource', 'audience'] as const;

interface Parameters {
  readonly subject_token?: string;
  readonly subject_token_type?: string;
  readonly actor_token?: string;
  readonly actor_token_type?: string;
  readonly requested_token_type?: string;
  readonly resource?: string | readonly string[];
  readonly audience?: string | readonly string[];
  readonly scope?: string;
}

type Context = TokenEndpointGrantContext<Parameters>;

/** The claims of exchanged tokens besides those of every access token. */
const CLAIMS = new WeakMap<object, Readonly<Record<string, unknown>>>();

/** The claims that the exchange gave to a token; undefined for all other tokens. */
export function exchangedClaims(token: object): Readonly<Record<string, unknown>> | undefined {
  return CLAIMS.get(token);
}

/** What the exchange needs. */
export interface ExchangeParts {
  readonly provider: Provider;
  readonly errors: OidcProviderModule['errors'];
  readonly settings: DevServerSettings;
  readonly issued: IssuedTokens;
  /** Undefined if tokens are not bound to keys. */
  readonly helpers: GrantHelpers | undefined;
}

/**
 * Exchanges the access token of a caller for one of another API (RFC 8693). Only the configured clients may do so, each with tokens
 * for its own resource.
 *
 * A token that is bound to a key (DPoP) can be exchanged: the client proves by its secret who it is. The new token is bound to the key
 * of the client if the request has a proof, and else to none. It is never bound to the key of the caller, which the client does not
 * have.
 */
export class TokenExchange {
  constructor(private readonly parts: ExchangeParts) {}

  /** Adds the grant to the provider. */
  register(): void {
    const names = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type'];
    const answer = (context: Context): Promise<void> => this.#answer(context);
    this.parts.provider.registerGrantType<Parameters>(
      TOKEN_EXCHANGE,
      answer,
      [...names, ...REPEATABLE, 'scope'],
      REPEATABLE,
    );
  }

  async #answer(context: Context): Promise<void> {
    const { errors, settings } = this.parts;
    const { client, params } = context.oidc;
    const mine = settings.clients.find(({ clientId }) => clientId === client.clientId);
    if (!mine) throw new errors.UnauthorizedClient('this client may not exchange tokens');
    this.#checkTypes(params);
    const subject = await this.#subject(params.subject_token ?? '', mine);
    const actor = await this.#actor(params.actor_token, mine);
    const api = this.#target(params);
    const scopes = this.#scopes(params.scope, api, subject);
    await this.#issue(context, { subject, actor, api, scopes });
  }

  /** @see RFC 8693 §2.1 */
  #checkTypes(params: Parameters): void {
    const { InvalidRequest } = this.parts.errors;
    if (params.subject_token_type !== ACCESS_TOKEN) {
      throw new InvalidRequest(`subject_token_type must be ${ACCESS_TOKEN}`);
    }
    if (params.actor_token_type !== (params.actor_token === undefined ? undefined : ACCESS_TOKEN)) {
      throw new InvalidRequest(`actor_token_type must be ${ACCESS_TOKEN} with an actor_token, and must not be without`);
    }
    if (!ISSUED_TYPES.has(params.requested_token_type)) {
      throw new InvalidRequest(`requested_token_type must be ${ACCESS_TOKEN}`);
    }
  }

  /** @see RFC 8693 §2.2.2: a token that is invalid or unacceptable makes the request invalid */
  async #subject(value: string, { resource }: DevClient): Promise<UserToken> {
    const { InvalidRequest } = this.parts.errors;
    const token = await this.parts.issued.find(value);
    if (!token) throw new InvalidRequest('subject_token is not a valid access token of this server, or was revoked');
    if (token.audience !== resource) {
      throw new InvalidRequest(`subject_token is not for ${resource}, which is the resource of this client`);
    }
    const { user } = token;
    if (!user) throw new InvalidRequest('subject_token is of no user: request a token by client_credentials instead');
    return { ...token, user };
  }

  /** The subject of `act`: the client itself, which its own token may confirm. */
  async #actor(value: string | undefined, { clientId }: DevClient): Promise<string> {
    if (value === undefined) return clientId;
    const token = await this.parts.issued.find(value);
    if (token && token.clientId === clientId && !token.user) return clientId;
    throw new this.parts.errors.InvalidRequest('actor_token is not a valid access token of this client for itself');
  }

  #target({ resource, audience }: Parameters): DevApi {
    const { settings, errors } = this.parts;
    const named = [resource ?? [], audience ?? []].flat(2);
    const found = named.length === 0 ? settings.apis : named.map((name) => findResource(settings.apis, name));
    const [api, ...others] = new Set(found);
    if (api && others.length === 0) return api;
    const names = settings.apis.map((known) => known.resource).join(', ');
    throw new errors.InvalidTarget(`name one API as resource or audience; the APIs here are ${names}`);
  }

  /** The scopes of the new token: those of the request, else all that the token of the caller allows. */
  #scopes(requested: string | undefined, { scopes }: DevApi, subject: IssuedToken): string[] {
    const { InvalidScope } = this.parts.errors;
    const missing = (scope: string): string[] => (scopes[scope] ?? []).filter((name) => !subject.scopes.has(name));
    const asked = requested?.split(' ').filter(Boolean) ?? [];
    const unknown = asked.find((scope) => !Object.hasOwn(scopes, scope));
    if (unknown !== undefined) throw new InvalidScope('the API does not have this scope', unknown);
    const refused = asked.find((scope) => missing(scope).length > 0);
    if (refused !== undefined) {
      throw new InvalidScope(`the user has not allowed ${missing(refused).join(' ')}, which this scope needs`, refused);
    }
    if (asked.length > 0) return [...new Set(asked)];
    const all = Object.keys(scopes);
    const allowed = all.filter((scope) => missing(scope).length === 0);
    // RFC 6749 §3.3: there is no default scope for this request.
    if (all.length > 0 && allowed.length === 0)
      throw new InvalidScope('the user has allowed no scope of this API', all.join(' '));
    return allowed;
  }

  async #issue(context: Context, { subject, actor, api, scopes }: Decision): Promise<void> {
    const { provider, settings, helpers } = this.parts;
    const { client } = context.oidc;
    const left = subject.expiresAt - Math.floor(Date.now() / 1000);
    const token = new provider.AccessToken({
      ...subject.user,
      client,
      gty: TOKEN_EXCHANGE,
      scope: scopes.join(' ') || undefined,
      expiresIn: Math.max(1, Math.min(settings.accessTokenTtlSeconds, left)),
      resourceServer: new provider.ResourceServer(api.resource, {
        scope: Object.keys(api.scopes).join(' '),
        audience: api.resource,
        ...JWT_ACCESS_TOKEN,
      }),
    });
    CLAIMS.set(token, { act: { sub: actor }, auth_time: subject.authTime });
    const proof = await helpers?.validateDpop(provider, context);
    if (proof) {
      await helpers?.checkDpopReplay(provider, context, proof, client.clientId);
      token.setThumbprint('jkt', proof.thumbprint);
    }
    const accessToken = await token.save();
    context.body = {
      access_token: accessToken,
      issued_token_type: ACCESS_TOKEN,
      token_type: token.tokenType,
      expires_in: token.expiration,
      ...(token.scope !== undefined && { scope: token.scope }),
    };
  }
}

/** A token of a user. */
type UserToken = IssuedToken & { readonly user: NonNullable<IssuedToken['user']> };

/** What an exchange comes to. */
interface Decision {
  readonly subject: UserToken;
  readonly actor: string;
  readonly api: DevApi;
  readonly scopes: readonly string[];
}
