import { ownMember } from '../../core/record.js';
import { remedyIn, type Remark, type ReviewedServer } from './finding.js';
import { endpointRemarks, listAt, lists, memberText } from './metadata-member.js';

export function advertisesPkce({ document, product }: ReviewedServer): Remark[] {
  const name = 'code_challenge_methods_supported';
  const seen = memberText(document, name);
  if (!lists(document, name, 'S256')) {
    const consequence =
      'MCP clients must refuse a server that does not advertise PKCE with S256, before anybody can sign in';
    const remedy = remedyIn(product, 'pkce', 'turn on PKCE with S256, and see that the metadata says so');
    return [{ level: 'error', seen, consequence, remedy }];
  }
  if (!lists(document, name, 'plain')) return [];
  const consequence =
    'a client may choose "plain", which does not protect the code if its request is seen (OAuth 2.1 §7.5)';
  const remedy = remedyIn(
    product,
    'pkcePlain',
    'require S256 of every client; some products list "plain" whatever their clients may use',
  );
  return [{ level: 'note', seen, consequence, remedy }];
}

export function offersCodeFlow(server: ReviewedServer): Remark[] {
  const { document } = server;
  const endpoints = ['authorization_endpoint', 'token_endpoint'];
  const remarks = endpoints.flatMap((name) => endpointRemarks(server, name, 'users cannot sign in without it'));
  if (lists(document, 'response_types_supported', 'code')) return remarks;
  const seen = memberText(document, 'response_types_supported');
  const consequence = 'clients refuse a server that does not offer the authorization code flow (RFC 8414 §2)';
  const remedy = 'turn on the authorization code flow, and see that the metadata lists "code"';
  return [...remarks, { level: 'error', seen, consequence, remedy }];
}

export function namesItselfInResponses({ document, product }: ReviewedServer): Remark[] {
  if (ownMember(document, 'authorization_response_iss_parameter_supported') === true) return [];
  return [
    {
      level: 'warning',
      seen: memberText(document, 'authorization_response_iss_parameter_supported'),
      consequence:
        'clients of several servers cannot tell which one issued a code; clients that require it refuse (RFC 9207)',
      remedy: remedyIn(product, 'responseIssuer', 'turn on the iss parameter of authorization responses'),
    },
  ];
}

/**
 * Reports the implicit grant and the password grant. If no response type contains `token`, the implicit grant issues only ID
 * tokens, which OpenID Connect allows.
 */
export function hasNoWithdrawnGrants({ document, product }: ReviewedServer): Remark[] {
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

export function refreshesTokens({ document }: ReviewedServer): Remark[] {
  const wanted = [
    ['grant_types_supported', 'refresh_token'],
    ['scopes_supported', 'offline_access'],
  ] as const;
  return wanted
    .filter(([name, value]) => ownMember(document, name) !== undefined && !lists(document, name, value))
    .map(([name, value]) => ({
      level: 'note',
      seen: memberText(document, name),
      consequence: `clients see no ${value} there, and may have users sign in again whenever a token expires`,
      remedy: `offer ${value}; whether refresh tokens of public clients are rotated cannot be seen from outside`,
    }));
}
