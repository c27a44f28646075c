import { isDeepStrictEqual } from 'node:util';
import { ownMember } from '../../core/record.js';
import { parseUrl } from '../../core/resource.js';
import { AUTHORIZATION_SERVER_SCOPES } from '../../core/scopes.js';
import { showValue } from '../../core/safe-text.js';
import { memberText, ok, problem, textsAt, notVerifiable, type Check } from './check.js';
import { isSecureText, resourceMetadata, type McpServerFacts } from './mcp-server.facts.js';
import { describe, documentOf, isPassing, readDocument, type ProbeResult } from './probe-result.js';
import { mayRead } from './cross-origin.js';

type Document = Readonly<Record<string, unknown>>;

/** Checks the metadata of the protected resource (RFC 9728): where it is served, and what it contains. */
export function checkResourceMetadata(facts: McpServerFacts): Check[] {
  const document = resourceMetadata(facts);
  const places = [isAtWellKnown(facts), isAtAdvertised(facts), isJsonExactly(facts)];
  if (!document) return [...places, ...UNREAD.map((id) => notVerifiable(id, 'there is no metadata to read'))];
  return [
    ...places,
    bothAgree(facts),
    namesResource(document, facts),
    ...namesServers(document, facts),
    takesTokensInHeader(document),
    namesScopes(document),
    hasNoEmptyMembers(document),
    isReadableByPages(facts),
    isCached(facts),
    answersHead(facts),
  ];
}

const UNREAD = [
  'RFC9728-5.1-a',
  'RFC9728-3.3-a',
  'MCP-26-DISC-01',
  'RFC9728-2-d',
  'RFC9728-2-a',
  'RFC9728-3.2-b',
  'LIB-13',
  'RFC9110-9.1-a',
];

function isAtWellKnown({ wellKnown, advertised, url }: McpServerFacts): Check {
  const id = 'RFC9728-3-a';
  const read = readDocument(wellKnown);
  if ('document' in read) return ok(id, `the metadata is at ${showValue(wellKnown.url)}`);
  const seen = `GET ${showValue(wellKnown.url)}: ${read.flaw}`;
  const elsewhere = documentOf(advertised);
  const isOfOther = elsewhere !== undefined && ownMember(elsewhere, 'resource') !== url;
  const remedy = isOfOther
    ? 'set resource to the URL that clients are given: the place of its metadata follows from it'
    : 'serve it there, at the root of the origin; a proxy must forward that path, too';
  return problem('error', id, {
    seen,
    consequence: 'clients that follow the path of the URL do not find the metadata',
    remedy,
  });
}

function isAtAdvertised({ advertised, wellKnown }: McpServerFacts): Check {
  const id = 'MCP-25-RS-02';
  if (!advertised) return notVerifiable(id, 'the challenge names no metadata');
  if (advertised === wellKnown) return ok(id, 'the challenge names that same place');
  const read = readDocument(advertised);
  if ('document' in read) return ok(id, `the challenge names ${showValue(advertised.url)}, and there is a document`);
  const consequence = 'clients look there first, and stop';
  return problem('error', id, {
    seen: `GET ${showValue(advertised.url)}, which the challenge names: ${read.flaw}`,
    consequence,
    remedy: 'name the URL at which the metadata is',
  });
}

function isJsonExactly({ advertised, wellKnown }: McpServerFacts): Check {
  const id = 'RFC9728-3.2-a';
  const found = [advertised, wellKnown].find((seen) => seen?.kind === 'answer' && seen.status === 200);
  if (found?.kind !== 'answer') return notVerifiable(id, 'there is no metadata to read');
  if (found.contentType === 'application/json') return ok(id, 'its content type is application/json');
  const consequence = 'clients do not read it as metadata';
  return problem('error', id, {
    seen: `its content type is ${showValue(found.contentType)}`,
    consequence,
    remedy: 'send it as application/json',
  });
}

function bothAgree({ advertised, wellKnown }: McpServerFacts): Check {
  const id = 'RFC9728-5.1-a';
  const [one, other] = [documentOf(advertised), documentOf(wellKnown)];
  if (!one || !other) return notVerifiable(id, 'there is only one document');
  if (isDeepStrictEqual(one, other))
    return ok(id, 'the document that the challenge names and the one at the well-known place agree');
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (name) => !isDeepStrictEqual(ownMember(one, name), ownMember(other, name)),
  );
  const consequence = 'clients behave differently, depending on the document that they read';
  return problem('error', id, {
    seen: `the two documents differ in ${showValue(names)}`,
    consequence,
    remedy: 'serve the same document at both places',
  });
}

function namesResource(document: Document, { url }: McpServerFacts): Check {
  const id = 'RFC9728-3.3-a';
  const resource = ownMember(document, 'resource');
  if (resource === url) return ok(id, `resource is ${showValue(url)}`);
  const seen = `${memberText(document, 'resource')}, and the URL is ${showValue(url)}`;
  const isBareOrigin =
    new URL(url).pathname === '/' && typeof resource === 'string' && parseUrl(resource)?.href === parseUrl(url)?.href;
  const consequence = 'clients must not use metadata that names another resource than they called (RFC 9728 §3.3)';
  const remedy = 'set resource to the URL that clients are given, letter by letter; a slash at the end counts';
  return problem(isBareOrigin ? 'warning' : 'error', id, { seen, consequence, remedy });
}

function namesServers(document: Document, { isLocal }: McpServerFacts): Check[] {
  const id = 'MCP-26-DISC-01';
  const value = ownMember(document, 'authorization_servers');
  const remedy = 'list the issuer of each authorization server, as it spells it itself';
  if (!Array.isArray(value) || value.length === 0) {
    const seen = memberText(document, 'authorization_servers');
    return [problem('error', id, { seen, consequence: 'clients do not know where to sign in', remedy })];
  }
  const insecure = value.filter((one) => !isSecureText(one, isLocal));
  if (insecure.length === 0) return [ok(id, memberText(document, 'authorization_servers'))];
  const consequence = 'clients refuse an authorization server that is not https';
  return [problem('error', id, { seen: `authorization_servers has ${showValue(insecure)}`, consequence, remedy })];
}

function takesTokensInHeader(document: Document): Check {
  const id = 'RFC9728-2-d';
  const seen = memberText(document, 'bearer_methods_supported');
  const value = ownMember(document, 'bearer_methods_supported');
  const isSensible = value === undefined || (Array.isArray(value) && value.every((method) => method === 'header'));
  if (isSensible) return ok(id, value === undefined ? `${seen}, which means the header` : seen);
  const consequence = 'clients may send tokens where they end up in logs';
  return problem('warning', id, { seen, consequence, remedy: 'write ["header"]' });
}

function namesScopes(document: Document): Check {
  const id = 'RFC9728-2-a';
  const seen = memberText(document, 'scopes_supported');
  if (ownMember(document, 'scopes_supported') === undefined) {
    const consequence = 'clients that learn no scope elsewhere request no scope, or all scopes';
    return problem('note', id, { seen, consequence, remedy: 'list the scopes of basic use' });
  }
  const forServer = textsAt(document, 'scopes_supported').filter((scope) => AUTHORIZATION_SERVER_SCOPES.has(scope));
  if (forServer.length === 0) return ok(id, seen);
  const consequence = 'whether a client stays signed in is not for the MCP server to say';
  return problem('warning', 'MCP-26-RS-11', { seen, consequence, remedy: `leave ${forServer.join(', ')} out` });
}

function hasNoEmptyMembers(document: Document): Check {
  const id = 'RFC9728-3.2-b';
  const isEmpty = (value: unknown): boolean => value === null || (Array.isArray(value) && value.length === 0);
  // RFC 9728 §2 allows an empty list here: no Bearer method is supported.
  const empty = Object.keys(document).filter(
    (name) => name !== 'bearer_methods_supported' && isEmpty(ownMember(document, name)),
  );
  if (empty.length === 0) return ok(id, 'it has no members without a value');
  const consequence = 'clients that check what they read refuse the document';
  return problem('warning', id, {
    seen: `without a value: ${showValue(empty)}`,
    consequence,
    remedy: 'leave out what has no value',
  });
}

function isReadableByPages(facts: McpServerFacts): Check {
  const id = 'LIB-13';
  const { pageOrigin, wellKnownPreflight } = facts;
  const seen = theDocument(facts);
  const isReadable = seen?.kind === 'answer' && mayRead(seen.headers, pageOrigin);
  const isPreflighted =
    wellKnownPreflight.kind === 'answer' &&
    wellKnownPreflight.status < 300 &&
    mayRead(wellKnownPreflight.headers, pageOrigin);
  if (isReadable && isPreflighted) return ok(id, 'pages of any origin can read it');
  const what = isReadable
    ? `its preflight is not answered: ${describe(wellKnownPreflight)}`
    : 'it has no Access-Control-Allow-Origin';
  const consequence = 'clients in a browser cannot read the metadata';
  return problem('warning', id, {
    seen: what,
    consequence,
    remedy: 'send Access-Control-Allow-Origin: * with it, and answer OPTIONS',
  });
}

function isCached(facts: McpServerFacts): Check {
  const id = 'RFC9728-7.10-a';
  const seen = theDocument(facts);
  const value = seen?.kind === 'answer' ? seen.headers.get('cache-control') : null;
  if (value !== null) return ok(id, `its Cache-Control is ${showValue(value)}`);
  const consequence = 'each client decides how long it keeps the metadata';
  return problem('note', id, {
    seen: 'it has no Cache-Control',
    consequence,
    remedy: 'send a Cache-Control, such as "public, max-age=300"',
  });
}

function answersHead({ wellKnown, wellKnownHead }: McpServerFacts): Check {
  const id = 'RFC9110-9.1-a';
  if (!documentOf(wellKnown)) return notVerifiable(id, 'there is no document at the well-known place');
  if (wellKnownHead.kind === 'answer' && wellKnownHead.status === 200) return ok(id, 'HEAD works as GET does');
  if (isPassing(wellKnownHead)) return notVerifiable(id, `HEAD: ${describe(wellKnownHead)}`);
  const consequence = 'monitors and caches believe that the document is missing';
  return problem('warning', id, {
    seen: `HEAD: ${describe(wellKnownHead)}`,
    consequence,
    remedy: 'answer HEAD wherever GET is answered',
  });
}

function theDocument({ advertised, wellKnown }: McpServerFacts): ProbeResult | undefined {
  return documentOf(advertised) ? advertised : wellKnown;
}
