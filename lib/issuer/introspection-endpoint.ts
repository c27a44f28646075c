import { decodeProtectedHeader } from 'jose/decode/protected_header';
import { decodeJwt } from 'jose/jwt/decode';
import {
  allowInsecureRequests,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
  type AuthorizationServer,
} from 'oauth4webapi';
import { isJson } from '../core/media-type.js';
import { isRecord, ownMember } from '../core/record.js';
import { oauthClient, type ClientAuthentication } from './client-authentication.js';
import { outboundWith } from './client-certificate.js';
import { BusyError } from './cool-down.js';
import { EndpointLocation, type DiscoveredEndpoint } from './endpoint-location.js';
import { IntrospectionGate, type IntrospectionAccess } from './introspection-gate.js';
import { OutboundError } from './outbound-error.js';
import { postForm, type Outbound } from './outbound.js';
import { ClientSecretError, withPresentSecret } from './rotating-secret.js';
import { verifySignature, type SignatureRules } from './signature.js';

/** What the server says about a token. Well-formed, but nothing else in it is checked. */
export interface IntrospectionAnswer {
  readonly active: boolean;
  readonly [member: string]: unknown;
}

/** How signed answers are verified. */
export interface SignedAnswerRules extends SignatureRules {
  /** Accepted audiences of signed answers: the client id, and the audiences of the resource. */
  readonly audiences: ReadonlySet<string>;
  /** Allowed clock skew, in seconds. */
  readonly toleranceSeconds: number;
}

export interface IntrospectionSettings {
  readonly issuer: string;
  /** The URL, or how to find it. */
  readonly endpoint: string | DiscoveredEndpoint;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
  /** How signed answers are verified, if only these are accepted; undefined for plain JSON. */
  readonly signed: SignedAnswerRules | undefined;
}

/** Called with the outcome of each request. */
export interface IntrospectionReports {
  answered(isActive: boolean): void;
  failed(error: unknown): void;
  /** The endpoint was not asked, since too many requests are under way. */
  busy(): void;
}

/** The answer arrived, but cannot be used. Contains nothing of the answer. */
export class IntrospectionError extends Error {
  override readonly name = 'IntrospectionError';
}

const SIGNED_ANSWER = 'application/token-introspection+jwt';

/** Most seconds that the `iat` of a signed answer may lie in the future; `nbf` says when the answer becomes valid. */
const MAX_IAT_AHEAD_SECONDS = 300;

/**
 * The introspection endpoint of one authorization server, for one resource. Remembers no answers. Sends no requests for a short
 * while after a failure, or while too many are under way: see {@link IntrospectionGate}.
 *
 * @see RFC 7662 §2, RFC 9701 §5
 */
export class IntrospectionEndpoint {
  readonly #gate: IntrospectionGate;
  readonly #location: EndpointLocation;
  readonly #outbound: Outbound;

  constructor(
    private readonly settings: IntrospectionSettings,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    private readonly reports: IntrospectionReports,
    outbound: Outbound,
    access: IntrospectionAccess,
  ) {
    this.#outbound = outboundWith(settings.authenticate.certificate, outbound);
    this.#gate = new IntrospectionGate(access);
    this.#location = new EndpointLocation(settings.endpoint);
  }

  /**
   * Asks about a token.
   *
   * @throws {NotAskedError} when the endpoint is not asked; {@link OutboundError} or another error when there is no usable
   * answer, or when the authorization server refuses the credentials of this server. No error contains the token or a
   * credential.
   */
  async introspect(token: string): Promise<IntrospectionAnswer> {
    const url = await this.#reported(() => this.#location.url('token'));
    try {
      return await this.#gate.run(token, () => this.#reported(() => this.#ask(url, token)));
    } catch (error) {
      if (error instanceof BusyError) this.reports.busy();
      throw error;
    }
  }

  /** Finds the endpoint, if it is not known yet. Reports a failure, and does not throw it. */
  async warmUp(): Promise<void> {
    await this.#reported(() => this.#location.url('start')).catch(() => undefined);
  }

  async #reported<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.reports.failed(error);
      throw error;
    }
  }

  #ask(url: string, token: string): Promise<IntrospectionAnswer> {
    const { secret } = this.settings.authenticate;
    return withPresentSecret(secret, () => this.#askOnce(url, token), refusesClient);
  }

  async #askOnce(url: string, token: string): Promise<IntrospectionAnswer> {
    const { issuer, clientId, authenticate, signed } = this.settings;
    const server: AuthorizationServer = { issuer, introspection_endpoint: url };
    const client = oauthClient(clientId, this.now());
    try {
      const response = await introspectionRequest(server, client, authenticate, token, {
        additionalParameters: { token_type_hint: 'access_token' },
        requestJwtResponse: signed !== undefined,
        // The options and the discovery have checked the scheme.
        [allowInsecureRequests]: true,
        [customFetch]: (to, { headers, body }) => this.#send(to, headers, body),
      });
      const answer = signed
        ? await this.#readSigned(await response.text(), signed)
        : ((await processIntrospectionResponse(server, client, response)) as unknown as IntrospectionAnswer);
      this.reports.answered(answer.active);
      return answer;
    } catch (error) {
      throw this.#toError(error);
    }
  }

  async #send(url: string, headers: Record<string, string>, body: URLSearchParams): Promise<Response> {
    const isType = this.settings.signed ? (type: string): boolean => type === SIGNED_ANSWER : isJson;
    const { contentType, text } = await postForm(url, { headers, body }, { isType }, this.#outbound);
    return new Response(text, { headers: { 'content-type': contentType } });
  }

  /** @see RFC 9701 §5: only the member `token_introspection` describes the token. */
  async #readSigned(jwt: string, rules: SignedAnswerRules): Promise<IntrospectionAnswer> {
    await verifySignature(jwt, rules);
    const { typ } = decodeProtectedHeader(jwt);
    const { iss, aud, iat, exp, nbf, token_introspection: answer } = decodeJwt<{ token_introspection?: unknown }>(jwt);
    if (typ?.toLowerCase().replace(/^application\//, '') !== 'token-introspection+jwt') {
      throw new IntrospectionError('the typ of the signed answer is not token-introspection+jwt');
    }
    if (iss !== this.settings.issuer) throw new IntrospectionError('the signed answer comes from another issuer');
    if (![aud].flat().some((audience) => audience !== undefined && rules.audiences.has(audience))) {
      throw new IntrospectionError('the signed answer is for another audience');
    }
    this.#checkTimes({ iat, exp, nbf }, rules.toleranceSeconds);
    if (!isAnswer(answer)) throw new IntrospectionError('the signed answer says nothing about a token');
    return answer;
  }

  /**
   * Checks the times of the answer itself, not of the token. `iat` is when the answer was made, and may lie a little in the
   * future because of clock skew. A member that is null counts as absent.
   *
   * @see RFC 9701 §5 for `iat`, RFC 7519 §4.1.4 and §4.1.5 for `exp` and `nbf`
   */
  #checkTimes({ iat, exp, nbf }: Readonly<Record<'iat' | 'exp' | 'nbf', unknown>>, toleranceSeconds: number): void {
    const now = this.now() / 1000;
    if (!isTime(iat) || iat > now + MAX_IAT_AHEAD_SECONDS) {
      throw new IntrospectionError('the signed answer has no iat, or one in the future');
    }
    if (!isAbsent(exp) && (!isTime(exp) || exp <= now - toleranceSeconds))
      throw new IntrospectionError('the signed answer has expired');
    if (!isAbsent(nbf) && (!isTime(nbf) || nbf > now + toleranceSeconds))
      throw new IntrospectionError('the signed answer is not valid yet');
  }

  /** The error to throw. Leaves out the cause of oauth4webapi errors, which contains the answer. */
  #toError(error: unknown): Error {
    if (error instanceof OutboundError) {
      this.#location.failed(error);
      return error;
    }
    if (error instanceof IntrospectionError || error instanceof ClientSecretError) return error;
    const what = error instanceof Error ? error.message : 'no usable answer';
    return new IntrospectionError(`the answer of the introspection endpoint of ${this.settings.issuer}: ${what}`);
  }
}

/** Whether the server refuses the secret of this server. */
function refusesClient(error: unknown): boolean {
  return error instanceof OutboundError && error.status === 401;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function isAnswer(value: unknown): value is IntrospectionAnswer {
  return isRecord(value) && typeof ownMember(value, 'active') === 'boolean';
}
