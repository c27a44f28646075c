import { isNonce } from '../issuer/server-nonces.js';
import { targetOf, type ApiTarget } from './api-request.js';

/** A request to an API, for which `McpAuthDownstream.headersFor` makes header fields. */
export interface DownstreamRequest {
  /** As it is sent: in upper case for the methods of HTTP. */
  readonly method: string;
  /** Absolute, at one of the `origins` of the API. */
  readonly url: string | URL;
  /** The `DPoP-Nonce` of an answer that asked for it. @default the last one that was passed for this origin */
  readonly nonce?: string;
}

/** The header fields that present a token in one request. As sensitive as the token. */
export interface DownstreamHeaders {
  /** `Bearer` or `DPoP`, and the token. */
  readonly authorization: string;
  /** The proof, if the API has `dpop`. */
  readonly dpop?: string;
}

/** A method in the characters of RFC 9110 §5.6.2, at most 64. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;

/**
 * Reads a request of the application.
 *
 * @throws {TypeError} for what no request can have, and for a URL to which the token may not be sent.
 */
export function requestFor(
  api: ApiTarget,
  { method, url, nonce }: DownstreamRequest,
): { readonly method: string; readonly url: URL; readonly nonce: string | undefined } {
  if (typeof method !== 'string' || !METHOD.test(method))
    throw new TypeError(`The method of a request to the API "${api.name}" must be that of HTTP, such as "GET"`);
  if (nonce !== undefined && !isNonce(nonce))
    throw new TypeError(`The nonce for the API "${api.name}" must be the DPoP-Nonce of its answer`);
  return { method, url: targetOf(api, url), nonce };
}
