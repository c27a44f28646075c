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
import { isRecord, ownMember } from '../core/record.js';
import type { ClientAuthentication } from './client-authentication.js';
import { isJson, OutboundError, postForm, type Outbound } from './outbound.js';
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
  url(): Promise<string>;
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

/** The answer came, and cannot be used. Holds nothing of it. */
export class IntrospectionError extends Error {
  override readonly name = 'IntrospectionError';
}

const SIGNED_ANSWER = 'application/token-introspection+jwt';

/**
 * The introspection endpoint of one authorization server. Remembers no answers.
 *
 * @see RFC 7662 §2, RFC 9701 §5
 */
export class IntrospectionEndpoint {
  constructor(
    private readonly settings: IntrospectionSettings,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    /** Told what came of every request. */
    private readonly reports: { readonly answered: () => void; readonly failed: (error: unknown) => void },
    private readonly outbound: Outbound,
  ) {}

  /**
   * Asks about a token.
   *
   * @throws {OutboundError} or another error when there is no usable answer; a refusal of this server's own credentials
   * is no answer either. None of them holds the token or a credential.
   */
  async introspect(token: string): Promise<IntrospectionAnswer> {
    try {
      const answer = await this.#ask(await this.#url(), token);
      this.reports.answered();
      return answer;
    } catch (error) {
      this.reports.failed(error);
      throw error;
    }
  }

  /** Looks for the endpoint, if it is not known yet; a failure is reported, not thrown. */
  async warmUp(): Promise<void> {
    await this.#url().catch((error: unknown) => this.reports.failed(error));
  }

  async #url(): Promise<string> {
    const { endpoint } = this.settings;
    return typeof endpoint === 'string' ? endpoint : endpoint.url();
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
      if (signed) return await this.#readSigned(await response.text(), signed);
      return (await processIntrospectionResponse(server, client, response)) as unknown as IntrospectionAnswer;
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
    const { iss, aud, iat, token_introspection: answer } = decodeJwt<{ token_introspection?: unknown }>(jwt);
    if (typ?.toLowerCase().replace(/^application\//, '') !== 'token-introspection+jwt') {
      throw new IntrospectionError('the signed answer has another typ than token-introspection+jwt');
    }
    if (iss !== this.settings.issuer) throw new IntrospectionError('the signed answer comes from another issuer');
    if (![aud].flat().some((audience) => audience !== undefined && rules.audiences.has(audience))) {
      throw new IntrospectionError('the signed answer is for another audience');
    }
    if (typeof iat !== 'number' || iat > this.now() / 1000 + rules.toleranceSeconds) {
      throw new IntrospectionError('the signed answer has no iat, or one in the future');
    }
    if (!isAnswer(answer)) throw new IntrospectionError('the signed answer says nothing about a token');
    return answer;
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

function isAnswer(value: unknown): value is IntrospectionAnswer {
  return isRecord(value) && typeof ownMember(value, 'active') === 'boolean';
}
