import { isLoopback, isSecureOrLocal, metadataUrl, parseUrl, type ResourceIdentifier } from '../../core/resource.js';
import { browserOrigin, FOREIGN_ORIGIN, preflightRequest } from './cross-origin.js';
import { DpopKey } from './dpop-key.js';
import { dpopOfferOf, usableAlgorithm, type DpopOffer } from './dpop-offer.js';
import { initializeRequest } from './mcp-request.js';
import type { Prober } from './prober.js';
import { readChallenge, type ReadChallenge } from './read-challenge.js';
import { documentOf, type ProbeResult } from './probe-result.js';

/** The answers of an MCP server. */
export interface McpServerFacts {
  /** The URL as the operator wrote it, which is how clients use it. */
  readonly url: string;
  readonly isLocal: boolean;
  /** The answer to `initialize` without a token. */
  readonly post: ProbeResult;
  /** The answer to the same request from a page; see {@link browserOrigin}. */
  readonly fromPage: ProbeResult;
  readonly pageOrigin: string;
  readonly preflight: ProbeResult;
  /** The answer to a page of a foreign origin; undefined unless the server is on this machine. */
  readonly fromForeignPage: ProbeResult | undefined;
  /** The answer to a GET for an event stream, without a token or a session. */
  readonly get: ProbeResult;
  /** The answer to an invented token. */
  readonly garbage: ProbeResult;
  /** The answer to an invented token in the query. */
  readonly query: ProbeResult;
  /** The answer over plain http at the same host; undefined if that was not tried. */
  readonly twin: ProbeResult | undefined;
  readonly challenge: ReadChallenge;
  /** The metadata at the well-known URL, and the answers to HEAD and preflight there. */
  readonly wellKnown: ProbeResult;
  readonly wellKnownHead: ProbeResult;
  readonly wellKnownPreflight: ProbeResult;
  /** The metadata at the URL in the challenge; undefined if the challenge names none. */
  readonly advertised: ProbeResult | undefined;
  /** What metadata and challenge say about tokens that are bound to a key; undefined if neither mentions them. */
  readonly dpop?: DpopOffer | undefined;
  /** The answer to an invented token with a good proof; undefined if that was not tried. */
  readonly boundGarbage?: ProbeResult | undefined;
}

/** An invented token that does not look like a JWT. */
const GARBAGE = 'nestjs-mcp-auth-doctor-no-such-token';

/** Sends every request that needs no valid token. Changes nothing if the server requires a token. */
export async function gatherMcpServer(prober: Prober, target: ResourceIdentifier): Promise<McpServerFacts> {
  const url = target.value;
  const isLocal = isLoopback(new URL(url));
  const pageOrigin = browserOrigin(isLocal);
  const wellKnownUrl = metadataUrl(target);
  const ask = (headers?: Readonly<Record<string, string>>): Promise<ProbeResult> =>
    prober.send(url, initializeRequest(headers));
  // Sent alone, because its times are used to compare the clocks.
  const post = await ask();
  const challenge = readChallenge(post);
  const advertisedUrl = 'main' in challenge ? challenge.main.params['resource_metadata'] : undefined;
  const [fromPage, preflight, fromForeignPage, get, garbage, query, twin] = await Promise.all([
    ask({ origin: pageOrigin }),
    prober.send(url, preflightRequest(pageOrigin, 'POST', fieldsOf(challenge))),
    isLocal ? ask({ origin: FOREIGN_ORIGIN }) : undefined,
    prober.send(url, { method: 'GET', headers: { accept: 'text/event-stream' } }),
    ask({ authorization: `Bearer ${GARBAGE}` }),
    prober.send(`${url}?access_token=${GARBAGE}`, initializeRequest()),
    prober.plainTwin(url),
  ]);
  const wellKnown = await prober.get(wellKnownUrl, { origin: pageOrigin });
  const isElsewhere = advertisedUrl !== undefined && advertisedUrl !== wellKnownUrl;
  const [wellKnownHead, wellKnownPreflight, elsewhere] = await Promise.all([
    prober.send(wellKnownUrl, { method: 'HEAD', headers: { accept: 'application/json' } }),
    prober.send(wellKnownUrl, preflightRequest(pageOrigin, 'GET', 'mcp-protocol-version')),
    isElsewhere ? prober.get(advertisedUrl, { origin: pageOrigin }) : undefined,
  ]);
  const advertised = advertisedUrl === wellKnownUrl ? wellKnown : elsewhere;
  const dpop = dpopOfferOf(challenge, resourceMetadata({ advertised, wellKnown }));
  const boundGarbage = dpop && (await sendBoundGarbage(prober, url, dpop));
  const asked = { post, fromPage, pageOrigin, preflight, fromForeignPage, get, garbage, query, twin };
  const documents = { wellKnown, wellKnownHead, wellKnownPreflight, advertised };
  return { url, isLocal, ...asked, challenge, ...documents, dpop, boundGarbage };
}

/** The header fields that a page asks to send. */
function fieldsOf(challenge: ReadChallenge): string {
  const proof = 'main' in challenge && challenge.dpop ? ', dpop' : '';
  return `authorization, content-type, mcp-protocol-version${proof}`;
}

async function sendBoundGarbage(prober: Prober, url: string, offer: DpopOffer): Promise<ProbeResult | undefined> {
  const algorithm = usableAlgorithm(offer);
  if (algorithm === undefined) return undefined;
  const key = await DpopKey.generate(algorithm);
  const proof = await key.prove({ method: 'POST', url, token: GARBAGE, nonce: undefined, now: prober.now });
  return prober.send(url, initializeRequest({ authorization: `DPoP ${GARBAGE}`, dpop: proof }));
}

/** The metadata that clients use: the document that the challenge names, else the one at the well-known URL. */
export function resourceMetadata({
  advertised,
  wellKnown,
}: Pick<McpServerFacts, 'advertised' | 'wellKnown'>): Readonly<Record<string, unknown>> | undefined {
  return documentOf(advertised) ?? documentOf(wellKnown);
}

/** The scopes in the challenge to a call without a token. */
export function challengeScopes({ challenge }: Pick<McpServerFacts, 'challenge'>): string[] {
  const scope = 'main' in challenge ? challenge.main.params['scope'] : undefined;
  return (scope ?? '').split(' ').filter((name) => name !== '');
}

/** Whether clients may use a URL: it is https, or server and URL are both on this machine. */
function isSecure(url: URL | undefined, isLocal: boolean): boolean {
  return url !== undefined && (isLocal ? isSecureOrLocal(url) : url.protocol === 'https:');
}

/** Whether a value is an absolute URL that clients may use. */
export function isSecureText(value: unknown, isLocal: boolean): value is string {
  return typeof value === 'string' && isSecure(parseUrl(value), isLocal);
}
