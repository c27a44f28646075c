import {
  allowInsecureRequests,
  customFetch,
  genericTokenEndpointRequest,
  type AuthorizationServer,
} from 'oauth4webapi';
import { isJson } from '../core/media-type.js';
import { isRecord } from '../core/record.js';
import { oauthClient, secretsInBasic, type ClientAuthentication } from './client-authentication.js';
import { outboundWith } from './client-certificate.js';
import type { DpopKey } from './dpop-key.js';
import { CoolDown, pauseAfter, UnderWayLimit } from './cool-down.js';
import { EndpointLocation, type DiscoveredEndpoint } from './endpoint-location.js';
import { OutboundError } from './outbound-error.js';
import { postForm, type Outbound, type OutboundAnswer } from './outbound.js';
import { withPresentSecret } from './rotating-secret.js';
import { ServerNonces } from './server-nonces.js';
import {
  readIssuedToken,
  readRefusal,
  TokenAnswerError,
  TokenRefusedError,
  type ExpectedToken,
  type IssuedToken,
} from './token-answer.js';

export interface TokenEndpointSettings {
  readonly issuer: string;
  /** The URL, or how to find it. */
  readonly endpoint: string | DiscoveredEndpoint;
  readonly clientId: string;
  readonly authenticate: ClientAuthentication;
  /** The key to which tokens are bound; undefined for tokens that are bound to none. */
  readonly dpop?: DpopKey | undefined;
}

/** One request for a token. */
export interface TokenRequest {
  readonly grantType: string;
  /** Names may be repeated (RFC 8693 §2.1). */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly expected: ExpectedToken;
}

/** Most requests that are under way at a time. */
const MAX_UNDER_WAY = 256;

/** Longest answer, in bytes. A token is a few thousand. */
const MAX_ANSWER_BYTES = 65_536;

/**
 * The token endpoint of one authorization server, for one client. Remembers no tokens. Sends no requests for a short while after
 * an outage, or while too many are under way.
 *
 * @see RFC 6749 §5
 */
export class TokenEndpoint {
  readonly #underWay = new UnderWayLimit(MAX_UNDER_WAY);
  readonly #failed: CoolDown;
  readonly #location: EndpointLocation;
  readonly #nonces = new ServerNonces();
  readonly #outbound: Outbound;

  constructor(
    private readonly settings: TokenEndpointSettings,
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
    outbound: Outbound,
  ) {
    this.#outbound = { ...outboundWith(settings.authenticate.certificate, outbound), maxBytes: MAX_ANSWER_BYTES };
    this.#failed = new CoolDown(now);
    this.#location = new EndpointLocation(settings.endpoint);
  }

  /**
   * Requests a token.
   *
   * @throws {TokenRefusedError} when the server refuses; {@link TokenAnswerError} when its answer cannot be used;
   * {@link OutboundError} or {@link MetadataUnavailableError} when there is none; {@link NotAskedError} when it was not asked. No
   * error contains a token or a secret.
   */
  async request(request: TokenRequest): Promise<IssuedToken> {
    this.#failed.check();
    return this.#underWay.run(async () => {
      try {
        const url = await this.#location.url('token');
        const { secret } = this.settings.authenticate;
        const token = await withPresentSecret(secret, () => this.#askWithNonce(url, request), refusesClient);
        this.#failed.end();
        return token;
      } catch (error) {
        if (isOutage(error)) this.#failed.begin(error, pauseAfter(error));
        throw error;
      }
    });
  }

  /** Asks once more if the server wants another nonce in the proof (RFC 9449 §8). */
  async #askWithNonce(url: string, request: TokenRequest): Promise<IssuedToken> {
    if (!this.settings.dpop) return this.#ask(url, request, undefined);
    const target = new URL(url);
    const nonce = this.#nonces.of(target);
    try {
      return await this.#ask(url, request, nonce);
    } catch (error) {
      const next = this.#nonces.of(target);
      const isAsked = error instanceof TokenRefusedError && error.code === 'use_dpop_nonce' && next !== nonce;
      if (!isAsked) throw error;
      return this.#ask(url, request, next);
    }
  }

  async #ask(
    url: string,
    { grantType, parameters, expected }: TokenRequest,
    nonce: string | undefined,
  ): Promise<IssuedToken> {
    const { issuer, clientId, authenticate } = this.settings;
    const server: AuthorizationServer = { issuer, token_endpoint: url };
    const client = oauthClient(clientId, this.now());
    let answer: OutboundAnswer | undefined;
    let secrets: readonly string[] = [];
    await genericTokenEndpointRequest(
      server,
      client,
      authenticate,
      grantType,
      parameters.map(([name, value]) => [name, value]),
      {
        // The options and the discovery have checked the scheme.
        [allowInsecureRequests]: true,
        [customFetch]: async (to, { headers, body }) => {
          secrets = [...secretsIn(body as URLSearchParams), ...secretsInBasic(headers['authorization'])];
          const proof = await this.#proofFor(new URL(to), nonce);
          answer = await this.#send(to, { ...headers, ...proof }, body as URLSearchParams);
          return new Response(null);
        },
      },
    );
    return readAnswer(`POST ${url}`, answer as OutboundAnswer, expected, secrets);
  }

  async #proofFor(url: URL, nonce: string | undefined): Promise<Record<string, string>> {
    const { dpop } = this.settings;
    return dpop ? { dpop: await dpop.prove({ method: 'POST', url, nonce }, this.now()) } : {};
  }

  async #send(url: string, headers: Record<string, string>, body: URLSearchParams): Promise<OutboundAnswer> {
    const expected = { isType: () => true, isStatus: isAnswer };
    try {
      const answer = await postForm(url, { headers, body }, expected, this.#outbound);
      this.#nonces.remember(new URL(url), answer.dpopNonce);
      return answer;
    } catch (error) {
      this.#location.failed(error);
      throw error;
    }
  }
}

/** Whether a server refuses the secret of the client. Keycloak calls that `unauthorized_client`, with status 401. */
function refusesClient(error: unknown): boolean {
  return error instanceof TokenRefusedError && (error.code === 'invalid_client' || error.status === 401);
}

/** The parameters that must never be shown (RFC 8693 §2.1, RFC 7521 §4, RFC 6749 §2.3.1). */
const SECRET_PARAMETERS = ['subject_token', 'actor_token', 'assertion', 'client_assertion', 'client_secret'];

function secretsIn(body: URLSearchParams): string[] {
  return SECRET_PARAMETERS.flatMap((name) => body.getAll(name));
}

/** The statuses with which token endpoints answer requests (RFC 6749 §5.1, §5.2); some products refuse with 403. */
function isAnswer(status: number): boolean {
  return status === 200 || status === 400 || status === 401 || status === 403;
}

/**
 * The token in an answer, or the error that the server answered.
 *
 * @param secrets of the request, which the server may repeat
 */
function readAnswer(
  request: string,
  { status, contentType, text }: OutboundAnswer,
  expected: ExpectedToken,
  secrets: readonly string[],
): IssuedToken {
  const body = isJson(contentType) ? parsed(text) : undefined;
  if (status === 200) {
    if (isRecord(body)) return readIssuedToken(body, expected, secrets);
    throw new TokenAnswerError('the answer of the token endpoint is no JSON object', 'malformed');
  }
  const refusal = isRecord(body) ? readRefusal(body, status, secrets) : undefined;
  throw refusal ?? new OutboundError(request, `status ${status}`, status);
}

/** Whether an error says that the server has trouble, rather than that this request is wrong. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof OutboundError)) return false;
  const { status } = error;
  return status === undefined || status === 408 || status === 429 || status >= 500;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
