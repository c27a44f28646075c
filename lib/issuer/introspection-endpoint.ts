import { decodeJwt, decodeProtectedHeader } from 'jose';
import {
  allowInsecureRequests,
  clockSkew,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
  type AuthorizationServer,
  type Client,
} from 'oauth4webapi';
import { isJson } from '../core/media-type.js';
import { isRecord, ownMember } from '../core/record.js';
import type { ClientAuthentication } from './client-authentication.js';
import { BusyError } from './cool-down.js';
import { IntrospectionGate, type IntrospectionAccess } from './introspection-gate.js';
import { OutboundError } from './outbound-error.js';
import { postForm, type Outbound } from './outbound.js';
import type { Purpose } from './purpose.js';
import { verifySignature, type SignatureRules } from './signature.js';

/** What the server says about a token. Well-formed; nothing else in it was checked. */
export interface IntrospectionAnswer {
  readonly active: boolean;
  readonly [member: string]: unknown;
}

/** How signed answers are verified. */
export interface SignedAnswerRules extends SignatureRules {
  /** One of these must be their audience: the client id, or what the resource is called. */
  readonly audiences: ReadonlySet<string>;
  /** Allowed difference of clocks, in seconds. */
  readonly toleranceSeconds: number;
}

/** An endpoint that has to be looked for. */
export interface DiscoveredEndpoint {
  url(purpose: Purpose): Promise<string>;
  /** What was found does not do any more: the server may have moved it. */
  forget(): void;
}

export interface IntrospectionSettings {
  readonly issuer: string;
  /** Where it is: told, or to be found. */
  readonly endpoint: string | DiscoveredEndpoint;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
  /** Ask for signed answers, and take no others; undefined: plain JSON. */
  readonly signed: SignedAnswerRules | undefined;
}

/** Told what came of asking. */
export interface IntrospectionReports {
  answered(isActive: boolean): void;
  failed(error: unknown): void;
  /** Nothing was asked, since too many requests are under way. */
  busy(): void;
}

/** The answer came, and cannot be used. Holds nothing of it. */
export class IntrospectionError extends Error {
  override readonly name = 'IntrospectionError';
}

const SIGNED_ANSWER = 'application/token-introspection+jwt';

/** How far ahead of the clock here the `iat` of a signed answer may be, in seconds; `nbf` says from when it holds. */
const MAX_IAT_AHEAD_SECONDS = 300;

/**
 * The introspection endpoint of one authorization server, for one resource. Remembers no answers. Is not asked for a short
 * while after it has failed, nor while too many requests are under way: see {@link IntrospectionGate}.
 *
 * @see RFC 7662 §2, RFC 9701 §5
 */
export class IntrospectionEndpoint {
  readonly #gate: IntrospectionGate;

  constructor(
    private readonly settings: IntrospectionSettings,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    private readonly reports: IntrospectionReports,
    private readonly outbound: Outbound,
    access: IntrospectionAccess,
  ) {
    this.#gate = new IntrospectionGate(access);
  }

  /**
   * Asks about a token.
   *
   * @throws {NotAskedError} without asking, or {@link OutboundError} or another error when there is no usable answer; a
   * refusal of this server's own credentials is no answer either. None of them holds the token or a credential.
   */
  async introspect(token: string): Promise<IntrospectionAnswer> {
    const url = await this.#reported(() => this.#url('token'));
    try {
      return await this.#gate.run(token, () => this.#reported(() => this.#ask(url, token)));
    } catch (error) {
      if (error instanceof BusyError) this.reports.busy();
      throw error;
    }
  }

  /** Looks for the endpoint, if it is not known yet; a failure is reported, not thrown. */
  async warmUp(): Promise<void> {
    await this.#reported(() => this.#url('start')).catch(() => undefined);
  }

  async #reported<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.reports.failed(error);
      throw error;
    }
  }

  async #url(purpose: Purpose): Promise<string> {
    const { endpoint } = this.settings;
    return typeof endpoint === 'string' ? endpoint : endpoint.url(purpose);
  }

  async #ask(url: string, token: string): Promise<IntrospectionAnswer> {
    const { issuer, clientId, authenticate, signed } = this.settings;
    const server: AuthorizationServer = { issuer, introspection_endpoint: url };
    const client: Client = { client_id: clientId, [clockSkew]: seconds(this.now()) - seconds(Date.now()) };
    try {
      const response = await introspectionRequest(server, client, authenticate, token, {
        additionalParameters: { token_type_hint: 'access_token' },
        requestJwtResponse: signed !== undefined,
        // The scheme was looked at where the URL came from.
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
    const isExpected = this.settings.signed ? (type: string): boolean => type === SIGNED_ANSWER : isJson;
    const { contentType, text } = await postForm(url, { headers, body }, isExpected, this.outbound);
    return new Response(text, { headers: { 'content-type': contentType } });
  }

  /** @see RFC 9701 §5: what is said about the token is in `token_introspection`, and nowhere else. */
  async #readSigned(jwt: string, rules: SignedAnswerRules): Promise<IntrospectionAnswer> {
    await verifySignature(jwt, rules);
    const { typ } = decodeProtectedHeader(jwt);
    const { iss, aud, iat, exp, nbf, token_introspection: answer } = decodeJwt<{ token_introspection?: unknown }>(jwt);
    if (typ?.toLowerCase().replace(/^application\//, '') !== 'token-introspection+jwt') {
      throw new IntrospectionError('the signed answer has another typ than token-introspection+jwt');
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
   * Of the answer itself, not of the token that it is about. `iat` is when it was made, which may be a little ahead by another
   * clock; a member that is null is absent.
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

  /** Without the cause of oauth4webapi's errors, which is the answer. */
  #toError(error: unknown): Error {
    if (error instanceof OutboundError) {
      const { endpoint } = this.settings;
      const isGone = error.status === undefined || error.status === 404 || error.status === 410;
      if (isGone && typeof endpoint !== 'string') endpoint.forget();
      return error;
    }
    if (error instanceof IntrospectionError) return error;
    const what = error instanceof Error ? error.message : 'no usable answer';
    return new IntrospectionError(`the answer of the introspection endpoint of ${this.settings.issuer}: ${what}`);
  }
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
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
