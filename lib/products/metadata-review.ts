import { ownMember } from '../core/record.js';
import { isLoopback, parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import { productOf, type Product } from './product-advice.js';

/**
 * What a finding means for MCP clients:
 *
 * - `error`: clients that follow the standards cannot sign in;
 * - `warning`: some cannot;
 * - `note`: they can, and something could be better.
 */
export type FindingLevel = 'error' | 'warning' | 'note';

/** One thing about an authorization server that its operator should know. Sentences for logs and reports. */
export interface Finding {
  /** What is asked of the server; several findings may have the same one. */
  readonly id: `AS-${string}`;
  readonly level: FindingLevel;
  /** What is there, on one line and shortened: it was written by somebody else. */
  readonly seen: string;
  /** What clients will fail on. */
  readonly consequence: string;
  /** How to mend it; in the terms of the product, if it is a known one. */
  readonly remedy: string;
}

/** What all rules look at. */
interface Subject {
  readonly document: Readonly<Record<string, unknown>>;
  readonly issuer: string;
  /** Whether the server runs on this very machine, where plain http is as good. */
  readonly isLocal: boolean;
  readonly product: Product | undefined;
}

/** A finding, but for the id of its rule. */
type Remark = Omit<Finding, 'id'>;

/** In the order of their ids. */
const RULES: readonly (readonly [id: Finding['id'], rule: (subject: Subject) => readonly Remark[]])[] = [
  ['AS-02', issuerIsTheSame],
  ['AS-03', issuerIsSecure],
  ['AS-04', advertisesPkce],
  ['AS-05', offersCodeFlow],
  ['AS-06', takesClientMetadataDocuments],
  ['AS-07', registersClients],
  ['AS-08', namesItselfInResponses],
  ['AS-09', takesAsymmetricProofsOnly],
  ['AS-12', publishesKeys],
  ['AS-18', hasNoWithdrawnGrants],
  ['AS-28', refreshesTokens],
];

/**
 * Judges the metadata of an authorization server by what MCP clients need of it. What can be seen in this one document
 * only: does NOT ask for it, compare it with its other form, look at the keys, or know whether the server does what it says.
 *
 * Never throws, whatever the document holds.
 *
 * @param issuer as clients are told, and as they compare it
 * @returns findings in the order of their ids; none where there is nothing to say
 * @see MCP 2026-07-28, Authorization; RFC 8414 §2
 */
export function reviewMetadata(document: Readonly<Record<string, unknown>>, issuer: string): Finding[] {
  const url = parseUrl(issuer);
  const subject = { document, issuer, isLocal: url !== undefined && isLoopback(url), product: productOf(issuer) };
  return RULES.flatMap(([id, rule]) => rule(subject).map((remark) => ({ id, ...remark })));
}

function issuerIsTheSame({ document, issuer, product }: Subject): Remark[] {
  if (ownMember(document, 'issuer') === issuer) return [];
  return [
    {
      level: 'error',
      seen: `${memberText(document, 'issuer')}, and ${showValue(issuer)} is expected`,
      consequence: 'clients must not use a document that names another issuer than they looked for (RFC 8414 §3.3)',
      remedy: remedyIn(
        product,
        'issuer',
        'configure the issuer as the server itself spells it; a slash at the end counts',
      ),
    },
  ];
}

function issuerIsSecure({ issuer, isLocal }: Subject): Remark[] {
  const url = parseUrl(issuer);
  const remedy = 'give the server an https URL without query and fragment, and configure that as the issuer';
  const seen = `the issuer is ${showValue(issuer)}`;
  if (!url || /[?#]/.test(issuer)) {
    return [
      {
        level: 'error',
        seen,
        consequence: 'clients cannot make the URL of its metadata from it (RFC 8414 §2)',
        remedy,
      },
    ];
  }
  if (url.protocol === 'https:') return [];
  if (url.protocol === 'http:' && isLocal) {
    return [{ level: 'note', seen, consequence: 'only clients on this machine can reach it', remedy }];
  }
  return [{ level: 'error', seen, consequence: 'clients refuse an issuer that is not https (RFC 8414 §2)', remedy }];
}

function advertisesPkce({ document, product }: Subject): Remark[] {
  const methods = ownMember(document, 'code_challenge_methods_supported');
  const seen = memberText(document, 'code_challenge_methods_supported');
  if (!has(methods, 'S256')) {
    const consequence =
      'MCP clients must refuse a server that does not advertise PKCE with S256, before anybody can sign in';
    const remedy = remedyIn(product, 'pkce', 'turn on PKCE with S256, and see that the metadata says so');
    return [{ level: 'error', seen, consequence, remedy }];
  }
  if (!has(methods, 'plain')) return [];
  const consequence =
    'a client may choose "plain", which protects no code from whoever saw its request (OAuth 2.1 §7.5)';
  const remedy = remedyIn(
    product,
    'pkcePlain',
    'require S256 of every client; some products list "plain" whatever their clients may use',
  );
  return [{ level: 'note', seen, consequence, remedy }];
}

function offersCodeFlow(subject: Subject): Remark[] {
  const { document } = subject;
  const endpoints = ['authorization_endpoint', 'token_endpoint'];
  const remarks = endpoints.flatMap((name) => endpointRemarks(subject, name, 'users cannot sign in without it'));
  if (has(ownMember(document, 'response_types_supported'), 'code')) return remarks;
  const seen = memberText(document, 'response_types_supported');
  const consequence = 'clients refuse a server that does not offer the authorization code flow (RFC 8414 §2)';
  const remedy = 'turn on the authorization code flow, and see that the metadata lists "code"';
  return [...remarks, { level: 'error', seen, consequence, remedy }];
}

function takesClientMetadataDocuments({ document, product }: Subject): Remark[] {
  if (!takesDocuments(document)) {
    if (!registers(document)) return [];
    const seen = memberText(document, 'client_id_metadata_document_supported');
    const consequence = 'clients can only register themselves, which MCP has deprecated';
    const remedy = remedyIn(product, 'registration', 'turn on client ID metadata documents');
    return [{ level: 'note', seen, consequence, remedy }];
  }
  const methods = ownMember(document, 'token_endpoint_auth_methods_supported');
  if (has(methods, 'none') || has(methods, 'private_key_jwt')) return [];
  const level = methods === undefined ? 'note' : 'warning';
  const seen = memberText(document, 'token_endpoint_auth_methods_supported');
  const consequence =
    'clients with a metadata document have no secret, and find no way to authenticate that they could use';
  return [{ level, seen, consequence, remedy: 'allow public clients ("none"), or "private_key_jwt"' }];
}

function registersClients(subject: Subject): Remark[] {
  const { document, product } = subject;
  if (registers(document)) return endpointRemarks(subject, 'registration_endpoint', 'clients cannot register there');
  const seen = memberText(document, 'registration_endpoint');
  if (takesDocuments(document)) {
    const consequence = 'clients that know no client ID metadata documents need an ID that you registered';
    const remedy = remedyIn(product, 'registration', 'turn on dynamic client registration for older clients');
    return [{ level: 'note', seen, consequence, remedy }];
  }
  return [
    {
      level: 'warning',
      seen: `${seen}, and ${memberText(document, 'client_id_metadata_document_supported')}`,
      consequence: 'clients need an ID that you registered; those that cannot be given one cannot sign in',
      remedy: remedyIn(product, 'registration', 'turn on client ID metadata documents or dynamic client registration'),
    },
  ];
}

function namesItselfInResponses({ document, product }: Subject): Remark[] {
  if (ownMember(document, 'authorization_response_iss_parameter_supported') === true) return [];
  return [
    {
      level: 'warning',
      seen: memberText(document, 'authorization_response_iss_parameter_supported'),
      consequence:
        'clients of several servers cannot tell whose answer a code is; those that insist on it refuse (RFC 9207)',
      remedy: remedyIn(product, 'responseIssuer', 'turn on the iss parameter of authorization responses'),
    },
  ];
}

function takesAsymmetricProofsOnly({ document }: Subject): Remark[] {
  const name = 'dpop_signing_alg_values_supported';
  const algorithms = ownMember(document, name);
  const isSound = (algorithm: unknown): boolean =>
    typeof algorithm === 'string' && !/^(?:none|HS\d*)$/i.test(algorithm);
  const isList = Array.isArray(algorithms) && algorithms.length > 0;
  if (algorithms === undefined || (isList && algorithms.every(isSound))) return [];
  const consequence =
    'clients that bind tokens to a key find no sound way to sign their proofs, and may refuse (RFC 9449 §5.1)';
  const remedy = 'list asymmetric algorithms only, such as "ES256"';
  return [{ level: 'warning', seen: memberText(document, name), consequence, remedy }];
}

/** What clients do not need, and this server does: without keys it can only ask. */
function publishesKeys(subject: Subject): Remark[] {
  const { document } = subject;
  if (ownMember(document, 'jwks_uri') !== undefined) {
    return endpointRemarks(subject, 'jwks_uri', 'the signatures of its tokens cannot be verified');
  }
  const seen = memberText(document, 'jwks_uri');
  if (ownMember(document, 'introspection_endpoint') === undefined) {
    const consequence = 'its tokens can be neither verified nor introspected here, and are answered with 503';
    const remedy = 'have it publish its keys, or set jwksUri';
    return [{ level: 'error', seen: `${seen}, and so is introspection_endpoint`, consequence, remedy }];
  }
  const consequence = 'its tokens work only with the option introspection';
  return [
    { level: 'note', seen, consequence, remedy: 'set introspection for this server, or have it publish its keys' },
  ];
}

/** The implicit grant with no response type that holds a token issues ID tokens only, which OpenID Connect allows. */
function hasNoWithdrawnGrants({ document, product }: Subject): Remark[] {
  const sendsTokens = listAt(document, 'response_types_supported').some(
    (type) => typeof type === 'string' && type.split(' ').includes('token'),
  );
  const grants = listAt(document, 'grant_types_supported');
  const remark = (name: string, grant: string): Remark => ({
    level: 'note',
    seen: memberText(document, name),
    consequence: `a client can still get tokens by the ${grant}, which OAuth 2.1 has removed and RFC 9700 warns of`,
    remedy: remedyIn(
      product,
      'withdrawnGrants',
      `turn the ${grant} off, for the whole server or for each client; some products list it all the same`,
    ),
  });
  const remarks: Remark[] = [];
  if (sendsTokens) remarks.push(remark('response_types_supported', 'implicit grant'));
  else if (grants.includes('implicit') && ownMember(document, 'response_types_supported') === undefined)
    remarks.push(remark('grant_types_supported', 'implicit grant'));
  if (grants.includes('password')) remarks.push(remark('grant_types_supported', 'password grant'));
  return remarks;
}

function refreshesTokens({ document }: Subject): Remark[] {
  const wanted = [
    ['grant_types_supported', 'refresh_token'],
    ['scopes_supported', 'offline_access'],
  ] as const;
  return wanted
    .filter(([list, value]) => ownMember(document, list) !== undefined && !has(ownMember(document, list), value))
    .map(([list, value]) => ({
      level: 'note',
      seen: memberText(document, list),
      consequence: `clients see no ${value} there, and may have users sign in again whenever a token expires`,
      remedy: `offer ${value}; whether refresh tokens of public clients are rotated cannot be seen from outside`,
    }));
}

/** What is wrong with the URL of an endpoint that should be there. */
function endpointRemarks({ document, isLocal }: Subject, name: string, without: string): Remark[] {
  const value = ownMember(document, name);
  const seen = memberText(document, name);
  const url = typeof value === 'string' ? parseUrl(value) : undefined;
  if (!url) {
    return [
      {
        level: 'error',
        seen,
        consequence: without,
        remedy: `see that the metadata names its ${name}, as an absolute https URL`,
      },
    ];
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal && isLoopback(url))) return [];
  const consequence =
    'clients refuse an endpoint that is not https, and what is sent there can be read on the way (OAuth 2.1 §1.5)';
  return [
    {
      level: 'error',
      seen,
      consequence,
      remedy: 'tell the server its own https URL; behind a proxy it often does not know that',
    },
  ];
}

function takesDocuments(document: Subject['document']): boolean {
  return ownMember(document, 'client_id_metadata_document_supported') === true;
}

function registers(document: Subject['document']): boolean {
  return ownMember(document, 'registration_endpoint') !== undefined;
}

function has(list: unknown, value: string): boolean {
  return Array.isArray(list) && list.includes(value);
}

function listAt(document: Subject['document'], name: string): readonly unknown[] {
  const list = ownMember(document, name);
  return Array.isArray(list) ? list : [];
}

/** `name is "value"`, or that it is missing. */
export function memberText(document: Readonly<Record<string, unknown>>, name: string): string {
  const value = ownMember(document, name);
  return value === undefined ? `${name} is missing` : `${name} is ${showValue(value)}`;
}

/** What is known of this product, else what holds for any. */
function remedyIn(
  product: Product | undefined,
  what: 'issuer' | 'pkce' | 'pkcePlain' | 'registration' | 'responseIssuer' | 'withdrawnGrants',
  otherwise: string,
): string {
  const known = product?.[what];
  return product && known !== undefined ? `${product.name}: ${known}` : otherwise;
}
