import { isRecord, ownMember } from '../../core/record.js';
import { isSecureOrLocal, parseUrl } from '../../core/resource.js';
import { AUTHORIZATION_SERVER_SCOPES } from '../../core/scopes.js';
import { showValue } from '../../core/safe-text.js';
import { reviewMetadata } from '../../products/metadata-review.js';
import type { AuthorizationServerFacts, ResourceView } from './authorization-server.facts.js';
import { API_TOKEN_ROWS, checkApiTokens, saysGrants } from './api-tokens.checks.js';
import { algorithmsIn, DPOP_ALGORITHMS } from './dpop-offer.js';
import { memberText, ok, problem, textsAt, notVerifiable, type Check } from './check.js';

type Document = Readonly<Record<string, unknown>>;

/** Checks the metadata by itself, and compares it with the MCP server. */
export function checkServerMetadata({ issuer, isLocal, document, resource }: AuthorizationServerFacts): Check[] {
  if (!document)
    return [...REVIEWED.keys(), ...COMPARED_ROWS, ...EXTENSION_ROWS, ...API_TOKEN_ROWS].map((id) =>
      notVerifiable(id, 'there is no metadata to read'),
    );
  return [
    ...reviewed(document, issuer),
    ...compared(document, resource),
    ...hasSoundAliases(document, isLocal),
    ...extensions(document),
    ...checkApiTokens(document, issuer),
  ];
}

/** The text for each row without findings; undefined if another row covers it. */
const REVIEWED = new Map<string, (document: Document) => string | undefined>([
  ['AS-02', (document) => memberText(document, 'issuer')],
  ['AS-03', () => 'the issuer is an https URL without query and fragment'],
  ['AS-04', (document) => memberText(document, 'code_challenge_methods_supported')],
  ['AS-05', () => 'it offers the authorization code flow, at endpoints that clients may use'],
  [
    'AS-06',
    (document) =>
      ownMember(document, 'client_id_metadata_document_supported') === true
        ? 'it takes client ID metadata documents'
        : undefined,
  ],
  ['AS-07', () => 'it registers clients'],
  ['AS-08', () => 'it names itself in authorization responses'],
  ['AS-09', dpopText],
  ['AS-18', () => 'it offers neither the implicit grant nor the password grant'],
  ['AS-28', () => 'nothing speaks against refresh tokens'],
]);

const COMPARED_ROWS = ['AS-15', 'AS-16', 'AS-23', 'AS-24', 'AS-25'];
const EXTENSION_ROWS = ['AS-26', 'AS-27'];

function reviewed(document: Document, issuer: string): Check[] {
  const findings = reviewMetadata(document, issuer);
  const passed = [...REVIEWED].filter(([id]) => !findings.some((finding) => finding.id === id));
  const fine = passed.flatMap(([id, text]) => {
    const seen = text(document);
    return seen === undefined ? [] : [ok(id, seen)];
  });
  return [...findings, ...fine];
}

function dpopText(document: Document): string {
  const name = 'dpop_signing_alg_values_supported';
  return ownMember(document, name) === undefined ? 'it offers no DPoP, which is optional' : memberText(document, name);
}

function compared(document: Document, resource: ResourceView | undefined): Check[] {
  if (!resource) return COMPARED_ROWS.map((id) => notVerifiable(id, 'there is no MCP server to compare it with'));
  return [
    ...[knowsScopes, knowsResource, knowsAcr, knowsDetails, bindsTokens].map((rule) => rule(document, resource)),
    ...bindsToKeys(document, resource),
  ];
}

function knowsScopes(document: Document, { scopes }: ResourceView): Check {
  if (ownMember(document, 'scopes_supported') === undefined)
    return notVerifiable('AS-15', 'it does not say which scopes it has');
  const missing = lacking(
    document,
    'scopes_supported',
    scopes.filter((scope) => !AUTHORIZATION_SERVER_SCOPES.has(scope)),
  );
  if (missing.length === 0) return ok('AS-15', 'it has every scope that the MCP server names');
  return problem('warning', 'AS-15', {
    seen: `scopes_supported lacks ${showValue(missing)}, which the MCP server names`,
    consequence: 'sign-in may end with invalid_scope, or with a token that is not enough',
    remedy: 'create the scopes there, or see that they are spelt alike; some servers do not list all they have',
  });
}

/** @see RFC 9728 §4 */
function knowsResource(document: Document, { url }: ResourceView): Check {
  if (ownMember(document, 'protected_resources') === undefined)
    return notVerifiable('AS-16', 'it does not say for which resources it issues tokens');
  if (lacking(document, 'protected_resources', [url]).length === 0)
    return ok('AS-16', 'it lists the MCP server among its resources');
  return problem('warning', 'AS-16', {
    seen: `protected_resources lacks ${showValue(url)}`,
    consequence: 'clients that compare the two lists refuse the pair',
    remedy: 'register the MCP server there under this very URL',
  });
}

function knowsAcr(document: Document, { acrValues }: ResourceView): Check {
  if (acrValues.length === 0) return ok('AS-23', 'the challenge asks for no acr values');
  const missing = lacking(document, 'acr_values_supported', acrValues);
  if (missing.length < acrValues.length) return ok('AS-23', 'it knows an acr value that the challenge asks for');
  return problem('warning', 'AS-23', {
    seen: `acr_values_supported lacks ${showValue(missing)}`,
    consequence: 'users cannot sign in as strongly as the MCP server asks for',
    remedy: 'ask for acr values that the server has (RFC 9470 §7)',
  });
}

function knowsDetails(document: Document, resource: ResourceView): Check {
  const name = 'authorization_details_types_supported';
  const wanted = textsAt(resource.document, name);
  const missing = lacking(document, name, wanted);
  if (missing.length === 0)
    return ok(
      'AS-24',
      wanted.length === 0 ? 'the MCP server names no authorization details' : `it has all of ${showValue(wanted)}`,
    );
  return problem('warning', 'AS-24', {
    seen: `${name} lacks ${showValue(missing)}`,
    consequence: 'no token can hold what the MCP server asks for (RFC 9396)',
    remedy: 'register these types there',
  });
}

/** @see RFC 8705 §3.3 */
function bindsTokens(document: Document, resource: ResourceView): Check {
  const name = 'tls_client_certificate_bound_access_tokens';
  if (ownMember(resource.document, name) !== true)
    return ok('AS-25', 'the MCP server asks for no tokens that are bound to certificates');
  if (ownMember(document, name) === true) return ok('AS-25', 'it binds tokens to certificates');
  return problem('warning', 'AS-25', {
    seen: memberText(document, name),
    consequence: 'the MCP server wants tokens that this server does not issue',
    remedy: 'turn on certificate-bound access tokens there, or do not ask for them',
  });
}

/**
 * A client makes all proofs with the key to which its token is bound, so that both servers must accept one algorithm.
 *
 * @see RFC 9449 §5.1; SEP-1932
 */
function bindsToKeys(document: Document, { dpop }: ResourceView): Check[] {
  if (!dpop) return [];
  const wanted = algorithmsIn(dpop);
  const level = dpop.isRequired || !dpop.offersBearer ? 'error' : 'warning';
  const consequence = 'no client gets a token with which it can prove to hold the key';
  const present = textsAt(document, DPOP_ALGORITHMS);
  if (present.length === 0) {
    const remedy = 'turn on DPoP there, or turn it off in the MCP server';
    const seen = `it does not say that it binds tokens to keys (${DPOP_ALGORITHMS}), and the MCP server accepts such tokens`;
    return [problem(level, 'AS-09', { seen, consequence, remedy })];
  }
  if (wanted.length === 0 || wanted.some((name) => present.includes(name))) return [];
  const seen = `${DPOP_ALGORITHMS} is ${showValue(present)}, and the MCP server accepts ${showValue(wanted)}`;
  return [problem(level, 'AS-09', { seen, consequence, remedy: 'let both accept one algorithm, such as "ES256"' })];
}

/**
 * A server on loopback may have http URLs there, as for its other endpoints: Keycloak does, as long as it has no certificate.
 *
 * @see RFC 8705 §5
 */
function hasSoundAliases(document: Document, isLocal: boolean): Check[] {
  const name = 'mtls_endpoint_aliases';
  const aliases = ownMember(document, name);
  if (aliases === undefined) return [];
  const isSound = (value: unknown): boolean => {
    const url = typeof value === 'string' ? parseUrl(value) : undefined;
    return url !== undefined && (isLocal ? isSecureOrLocal(url) : url.protocol === 'https:');
  };
  const bad = isRecord(aliases) ? Object.keys(aliases).filter((alias) => !isSound(ownMember(aliases, alias))) : [name];
  if (bad.length === 0) return [ok('AS-25', `${name} has URLs that clients may use`)];
  return [
    problem('warning', 'AS-25', {
      seen: `in ${name}, ${showValue(bad)} must be https URLs`,
      consequence: 'clients with a certificate do not find the endpoints that ask for it',
      remedy: 'write the URL of each endpoint that takes certificates (RFC 8705 §5)',
    }),
  ];
}

function extensions(document: Document): Check[] {
  const profiles = textsAt(document, 'authorization_grant_profiles_supported');
  const isManaged = profiles.includes('urn:ietf:params:oauth:grant-profile:id-jag');
  return [
    ok(
      'AS-26',
      isManaged
        ? 'it offers enterprise-managed authorization'
        : 'it offers no enterprise-managed authorization, which is optional',
    ),
    grantsToClients(document),
  ];
}

function grantsToClients(document: Document): Check {
  if (!saysGrants(document))
    return notVerifiable('AS-27', 'it does not say which grants it has (grant_types_supported)');
  const isListed = textsAt(document, 'grant_types_supported').includes('client_credentials');
  return ok(
    'AS-27',
    isListed ? 'it offers the client credentials grant' : 'it offers no client credentials grant, which is optional',
  );
}

function lacking(document: Document, name: string, wanted: readonly string[]): string[] {
  const present = new Set(textsAt(document, name));
  return wanted.filter((value) => !present.has(value));
}
