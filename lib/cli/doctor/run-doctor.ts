import { ownMember } from '../../core/record.js';
import { isLoopback, type ResourceIdentifier } from '../../core/resource.js';
import { showValue } from '../../core/safe-text.js';
import { basicCredentials } from '../../issuer/client-authentication.js';
import type { OutboundLimits } from '../../issuer/outbound.js';
import {
  gatherAuthorizationServer,
  type AuthorizationServerFacts,
  type ClientProbes,
  type ResourceView,
} from './authorization-server.facts.js';
import { checkChallenge } from './challenge.checks.js';
import { textsAt, notVerifiable, type Check } from './check.js';
import type { DpopKey } from './dpop-key.js';
import { checkDpop } from './dpop.checks.js';
import { checkDiscovery } from './discovery.checks.js';
import { checkEndpoints } from './endpoint.checks.js';
import { checkExchange } from './exchange.checks.js';
import { checkKeySet, publishedKeys } from './key-set.checks.js';
import { challengeScopes, gatherMcpServer, resourceMetadata, type McpServerFacts } from './mcp-server.facts.js';
import { browserOrigin } from './cross-origin.js';
import { Prober } from './prober.js';
import { checkRefusals } from './refusal.checks.js';
import { reportOf, type Report, type Section } from './report.js';
import { checkResourceMetadata } from './resource-metadata.checks.js';
import { Secrets } from './secrets.js';
import { checkServerMetadata } from './server-metadata.checks.js';
import { detectTarget } from './target.js';
import { sendToken } from './send-token.js';
import { reviewToken } from './token.checks.js';

export interface DoctorOptions {
  /** The URL of the MCP server, or the issuer, exactly as clients use it. */
  readonly target: ResourceIdentifier;
  /** Whether the target is an issuer; if false, the doctor detects it. */
  readonly isIssuer: boolean;
  /** A sample token, which the doctor checks and then sends to the MCP server. */
  readonly token: string | undefined;
  /** The key to which the sample token is bound. */
  readonly dpopKey: DpopKey | undefined;
  /** Audiences that the MCP server accepts besides its own URL. */
  readonly audiences: readonly string[];
  readonly probes: ClientProbes;
  readonly limits: OutboundLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Most authorization servers that are examined: an MCP server may name any number. */
const MOST_ISSUERS = 5;

/** Examines an MCP server and its authorization servers, or one authorization server, as a client would. Does not throw. */
export async function runDoctor(options: DoctorOptions): Promise<Report> {
  const { target, limits, now } = options;
  const secrets = secretsOf(options);
  const prober = new Prober({ target: new URL(target.value), limits, now, secrets });
  const about = { target: target.value };
  const kind = options.isIssuer ? await issuerIfReached(prober, target) : await detectTarget(prober, target);
  if (typeof kind === 'object')
    return reportOf({ ...about, kind: 'unreachable', remarks: [kind.unreachable] }, secrets);
  const examined =
    kind === 'authorization-server' ? await examineIssuer(prober, options) : await examineMcpServer(prober, options);
  const unclear =
    'It looks like neither an MCP server nor an authorization server. It was examined as an MCP server; for an issuer, use --issuer.';
  const remarks = [...(kind === 'unclear' ? [unclear] : []), ...examined.remarks];
  return reportOf(
    { ...about, kind: kind === 'unclear' ? 'mcp-server' : kind, remarks, sections: examined.sections },
    secrets,
  );
}

async function issuerIfReached(prober: Prober, { value: identifier }: ResourceIdentifier) {
  const seen = await prober.get(identifier);
  return seen.kind === 'answer' ? 'authorization-server' : { unreachable: seen.why };
}

/** The token and its key, the client secret, and the Basic credentials that contain it (RFC 6749 §2.3.1). */
function secretsOf({ token, dpopKey, probes: { clientId, clientSecret } }: DoctorOptions): Secrets {
  const basic =
    clientSecret === undefined || clientId === undefined ? undefined : basicCredentials(clientId, clientSecret);
  return new Secrets(
    [token, clientSecret, basic, ...(dpopKey?.secrets ?? [])].filter((secret) => secret !== undefined),
  );
}

interface Examined {
  readonly sections: readonly Section[];
  readonly remarks: readonly string[];
}

async function examineMcpServer(prober: Prober, options: DoctorOptions): Promise<Examined> {
  const facts = await gatherMcpServer(prober, options.target);
  const resource = viewOf(facts);
  const named = [...new Set(textsAt(resource.document, 'authorization_servers'))];
  const servers: AuthorizationServerFacts[] = [];
  // The secret and the token of a caller are sent only to an authorization server that the operator named, never to one that an MCP server names.
  const probes = { ...options.probes, clientSecret: undefined, exchange: undefined };
  for (const issuer of named.slice(0, MOST_ISSUERS)) {
    servers.push(await gatherAuthorizationServer(prober, issuer, { resource, pageOrigin: facts.pageOrigin, probes }));
  }
  const sections: Section[] = [
    {
      subject: 'mcp-server',
      name: facts.url,
      checks: [...checkRefusals(facts), ...checkChallenge(facts), ...checkResourceMetadata(facts), ...checkDpop(facts)],
    },
    ...servers.map(sectionOf),
    await examineToken(prober, options, servers, facts),
  ];
  const left = named.length - servers.length;
  const remarks = [
    ...(left > 0 ? [`It names ${named.length} authorization servers; the first ${MOST_ISSUERS} were examined.`] : []),
    ...(options.probes.exchange
      ? ['Nothing was exchanged: this is an MCP server. Name the issuer for --exchange.']
      : []),
  ];
  return { sections, remarks };
}

async function examineIssuer(prober: Prober, options: DoctorOptions): Promise<Examined> {
  const { target, probes } = options;
  const pageOrigin = browserOrigin(isLoopback(new URL(target.value)));
  const server = await gatherAuthorizationServer(prober, target.value, {
    resource: undefined,
    pageOrigin,
    probes,
  });
  return { sections: [sectionOf(server), await examineToken(prober, options, [server], undefined)], remarks: [] };
}

function sectionOf(facts: AuthorizationServerFacts): Section {
  const checks = [
    ...checkDiscovery(facts),
    ...checkServerMetadata(facts),
    ...checkKeySet(facts),
    ...checkEndpoints(facts),
    ...checkExchange(facts),
  ];
  const rotation = notVerifiable(
    'AS-28',
    'whether refresh tokens of public clients are rotated shows only after signing in',
  );
  return {
    subject: 'authorization-server',
    name: showValue(facts.issuer),
    checks: [...checks, rotation].toSorted(byId),
  };
}

function byId(one: Check, other: Check): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}

/** @see RFC 9728 §2 */
const BOUND_TO_CERTIFICATES = 'tls_client_certificate_bound_access_tokens';

/** The facts of the MCP server with which the authorization servers are compared. */
function viewOf(facts: McpServerFacts): ResourceView {
  const document = resourceMetadata(facts) ?? {};
  const acr = 'main' in facts.challenge ? (facts.challenge.main.params['acr_values'] ?? '') : '';
  const [challenged, supported] = [challengeScopes(facts), textsAt(document, 'scopes_supported')];
  return {
    url: facts.url,
    scopes: [...new Set([...challenged, ...supported])],
    firstScopes: challenged.length > 0 ? challenged : supported,
    acrValues: acr.split(' ').filter((value) => value !== ''),
    dpop: facts.dpop,
    document,
  };
}

async function examineToken(
  prober: Prober,
  options: DoctorOptions,
  servers: readonly AuthorizationServerFacts[],
  mcp: McpServerFacts | undefined,
): Promise<Section> {
  const { token, audiences, now } = options;
  const section = { subject: 'token', name: '' } as const;
  if (token === undefined) {
    const why = 'needs a sample token: --token-file, --token - or MCP_AUTH_TOKEN';
    return { ...section, checks: ['AS-10', 'AS-11', 'AS-13'].map((id) => notVerifiable(id, why)) };
  }
  const { checks, verdict } = await reviewToken(token, {
    issuers: servers.map(({ issuer }) => issuer),
    keys: new Map(servers.flatMap((server) => keysOf(server))),
    resource: mcp?.url,
    audiences,
    scopes: mcp ? challengeScopes(mcp) : [],
    dpop: mcp?.dpop,
    acceptsCertificates: mcp && ownMember(resourceMetadata(mcp) ?? {}, BOUND_TO_CERTIFICATES) === true,
    now: now(),
  });
  if (!mcp) return { ...section, checks };
  return {
    ...section,
    checks: [...checks, ...(await sendToken(prober, mcp, { token, key: options.dpopKey, verdict }))],
  };
}

/** The published keys; empty unless the metadata names this issuer. */
function keysOf(server: AuthorizationServerFacts): [string, readonly unknown[]][] {
  const keys =
    server.document && ownMember(server.document, 'issuer') === server.issuer ? publishedKeys(server) : undefined;
  return keys ? [[server.issuer, keys]] : [];
}
