import { bearerChallenge } from './bearer-challenge.js';
import { judge, type Check, type Requirement } from './check.js';
import { probe, type SpecVersion } from './mcp-request.js';

const RFC_9728 = (section: string): Requirement['specReferences'] => [
  { id: `RFC-9728-Section-${section}`, url: `https://www.rfc-editor.org/rfc/rfc9728.html#section-${section}` },
];

const CHALLENGE: Requirement = {
  id: 'prm-challenge-names-metadata',
  description: 'The challenge of a 401 names the metadata of the protected resource',
  level: 'SHOULD',
  specReferences: RFC_9728('5.1'),
};
const WELL_KNOWN: Requirement = {
  id: 'prm-well-known-location',
  description: 'The metadata is a JSON object at the well-known location of the endpoint',
  level: 'MUST',
  specReferences: RFC_9728('3.1'),
};
const RESOURCE: Requirement = {
  id: 'prm-resource-identical',
  description: 'The member resource is identical to the URL of the endpoint',
  level: 'MUST',
  specReferences: RFC_9728('3.3'),
};
const ISSUER: Requirement = {
  id: 'prm-authorization-servers',
  description: 'The member authorization_servers names the issuer of the tokens',
  level: 'MUST',
  specReferences: RFC_9728('2'),
};

/** Checks how a client without a token finds the authorization server. */
export async function checkMetadata(serverUrl: string, issuer: string, version: SpecVersion): Promise<Check[]> {
  const { status, challenge } = await probe(serverUrl, version);
  const location = wellKnownLocation(serverUrl);
  const document = await documentAt(location);
  const servers = document?.['authorization_servers'];
  return [
    judge(
      CHALLENGE,
      bearerChallenge(challenge)?.resource_metadata === location ? undefined : `got ${status}, ${challenge}`,
    ),
    judge(WELL_KNOWN, document ? undefined : `there is none at ${location}`),
    judge(RESOURCE, document?.['resource'] === serverUrl ? undefined : `got ${JSON.stringify(document?.['resource'])}`),
    judge(ISSUER, Array.isArray(servers) && servers.includes(issuer) ? undefined : `got ${JSON.stringify(servers)}`),
  ];
}

function wellKnownLocation(serverUrl: string): string {
  const { origin, pathname, search } = new URL(serverUrl);
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}${search}`;
}

async function documentAt(url: string): Promise<Record<string, unknown> | undefined> {
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  if (response.status !== 200 || !/^application\/json\b/.test(response.headers.get('content-type') ?? ''))
    return undefined;
  const document: unknown = await response.json();
  return typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : undefined;
}
