import { isLoopback, isSecureOrLocal, metadataUrl, parseUrl, type ResourceIdentifier } from '../../core/resource.js';
import { browserOrigin, FOREIGN_ORIGIN, preflightRequest } from './cross-origin.js';
import { initializeRequest } from './mcp-request.js';
import type { Prober } from './prober.js';
import { readChallenge, type ReadChallenge } from './read-challenge.js';
import { documentOf, type ProbeResult } from './probe-result.js';

/** What an MCP server answered. */
export interface McpServerFacts {
  /** As the operator spelt it, which is how clients are told. */
  readonly url: string;
  readonly isLocal: boolean;
  /** `initialize` without a token. */
  readonly post: ProbeResult;
  /** The same from a page; see {@link browserOrigin}. */
  readonly fromPage: ProbeResult;
  readonly pageOrigin: string;
  readonly preflight: ProbeResult;
  /** From a page that has no business on this machine; undefined where the server is elsewhere. */
  readonly fromForeignPage: ProbeResult | undefined;
  /** For a stream of events, without a token or a session. */
  readonly get: ProbeResult;
  /** With a token that nobody has issued. */
  readonly garbage: ProbeResult;
  /** With such a token in the query. */
  readonly query: ProbeResult;
  /** Over plain http, at the same host; undefined where there is no such place. */
  readonly twin: ProbeResult | undefined;
  readonly challenge: ReadChallenge;
  /** At the place that follows from the URL, and its HEAD and preflight. */
  readonly wellKnown: ProbeResult;
  readonly wellKnownHead: ProbeResult;
  readonly wellKnownPreflight: ProbeResult;
  /** At the place that the challenge names; undefined where it names none. */
  readonly advertised: ProbeResult | undefined;
}

/** No issuer has issued it, and it looks like no JWT. */
const GARBAGE = 'nestjs-mcp-auth-doctor-no-such-token';

/** Asks everything that can be asked without a token. Changes nothing, as long as the server asks for one. */
export async function gatherMcpServer(prober: Prober, target: ResourceIdentifier): Promise<McpServerFacts> {
  const url = target.value;
  const isLocal = isLoopback(new URL(url));
  const pageOrigin = browserOrigin(isLocal);
  const wellKnownUrl = metadataUrl(target);
  const ask = (headers?: Readonly<Record<string, string>>): Promise<ProbeResult> =>
    prober.send(url, initializeRequest(headers));
  // The first one alone, so that its times say something about the clock.
  const post = await ask();
  const challenge = readChallenge(post);
  const advertisedUrl = 'bearer' in challenge ? challenge.bearer.params['resource_metadata'] : undefined;
  const [fromPage, preflight, fromForeignPage, get, garbage, query, twin] = await Promise.all([
    ask({ origin: pageOrigin }),
    prober.send(url, preflightRequest(pageOrigin, 'POST', 'authorization, content-type, mcp-protocol-version')),
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
  const asked = { post, fromPage, pageOrigin, preflight, fromForeignPage, get, garbage, query, twin };
  return { url, isLocal, ...asked, challenge, wellKnown, wellKnownHead, wellKnownPreflight, advertised };
}

/** The metadata that clients go by: that of the challenge, else that at the place that follows from the URL. */
export function resourceMetadata({
  advertised,
  wellKnown,
}: McpServerFacts): Readonly<Record<string, unknown>> | undefined {
  return documentOf(advertised) ?? documentOf(wellKnown);
}

/** The scopes that a call without a token is told to ask for. */
export function challengeScopes({ challenge }: Pick<McpServerFacts, 'challenge'>): string[] {
  const scope = 'bearer' in challenge ? challenge.bearer.params['scope'] : undefined;
  return (scope ?? '').split(' ').filter((name) => name !== '');
}

/** Whether a URL may be given to clients: https, or on this machine for a server on this machine. */
function isSecure(url: URL | undefined, isLocal: boolean): boolean {
  return url !== undefined && (isLocal ? isSecureOrLocal(url) : url.protocol === 'https:');
}

/** Whether it is an absolute URL that clients may use. */
export function isSecureText(value: unknown, isLocal: boolean): value is string {
  return typeof value === 'string' && isSecure(parseUrl(value), isLocal);
}
