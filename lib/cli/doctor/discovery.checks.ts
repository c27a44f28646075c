import { isDeepStrictEqual } from 'node:util';
import { ownMember } from '../../core/record.js';
import { showValue } from '../../core/safe-text.js';
import { productOf } from '../../products/known-products.js';
import type { AuthorizationServerFacts } from './authorization-server.facts.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import { describe, documentOf, readDocument, type ProbeResult } from './probe-result.js';

/** Checks whether clients find the metadata (AS-01), and the same metadata at each URL (AS-14). */
export function checkDiscovery(facts: AuthorizationServerFacts): Check[] {
  return [isFound(facts), ...facts.forms.slice(0, firstFound(facts)).flatMap(standsInTheWay), formsAgree(facts)];
}

const UNREACHED = 'see that it runs and can be reached from here, and that the issuer is right';

const REMEDY =
  'serve it as application/json at one of the places where clients look (RFC 8414 §3.1, OpenID Connect Discovery §4)';

function isFound({ issuer, forms }: AuthorizationServerFacts): Check {
  const found = forms.find(documentOf);
  if (found) return ok('AS-01', `the metadata is at ${showValue(found.url)}`);
  const product = productOf(issuer);
  const tried = forms.map((seen) => {
    const read = readDocument(seen);
    return `${showValue(seen.url)}: ${'flaw' in read ? read.flaw : ''}`;
  });
  const remedy = forms.some(({ kind }) => kind === 'answer') ? REMEDY : UNREACHED;
  return problem('error', 'AS-01', {
    seen: tried.length > 0 ? `no metadata; ${tried.join('; ')}` : `no metadata; ${showValue(issuer)} is not a URL`,
    consequence: 'clients find no way to sign in, and the keys cannot be fetched',
    remedy: product?.advice.issuer === undefined ? remedy : `${UNREACHED}; ${product.name}: ${product.advice.issuer}`,
  });
}

/** A client that looks here first must be able to tell that no metadata is here. */
function standsInTheWay(seen: ProbeResult): Check[] {
  if (seen.kind === 'answer' && [404, 400, 405, 406, 410].includes(seen.status)) return [];
  const read = readDocument(seen);
  const text = `GET ${showValue(seen.url)}, where clients look first: ${'flaw' in read ? read.flaw : describe(seen)}`;
  if (seen.kind === 'answer' && seen.status === 429) return [notVerifiable('AS-01', text)];
  const isFailure = seen.kind === 'no-answer' || seen.status >= 500;
  const consequence = isFailure ? 'clients stop there' : 'some clients accept that as the answer, and stop';
  return [
    problem(isFailure ? 'error' : 'warning', 'AS-01', {
      seen: text,
      consequence,
      remedy: 'answer 404 where there is no metadata',
    }),
  ];
}

/** Members that must be equal in all documents: otherwise two clients use two different servers. */
const ESSENTIAL = ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri'];

/** Members that may differ by design: OpenID Connect defines its own registration beside RFC 7591. */
const OTHERS = ['registration_endpoint', 'introspection_endpoint', 'revocation_endpoint'];

/** @see RFC 9068 §4 */
function formsAgree({ forms }: AuthorizationServerFacts): Check {
  const [first, ...others] = forms.map(documentOf).filter((document) => document !== undefined);
  if (!first || others.length === 0) return notVerifiable('AS-14', 'there are no two documents to compare');
  const differs = (name: string): boolean =>
    others.some((other) => !isDeepStrictEqual(ownMember(first, name), ownMember(other, name)));
  const differing = [...ESSENTIAL, ...OTHERS].filter(differs);
  if (differing.length === 0) return ok('AS-14', 'the documents at the different places agree');
  const seen = `the documents at the different places differ in ${differing.join(', ')}`;
  if (ESSENTIAL.some(differs)) {
    const consequence = 'tokens that one client gets may be verified with the keys of another server';
    return problem('error', 'AS-14', {
      seen,
      consequence,
      remedy: 'serve the same values at both places; a proxy may rewrite one of them',
    });
  }
  const consequence =
    'which endpoint a client uses depends on the place where it looked first, which some products intend';
  return problem('note', 'AS-14', { seen, consequence, remedy: 'see that both endpoints serve MCP clients' });
}

function firstFound({ forms }: AuthorizationServerFacts): number {
  return Math.max(0, forms.findIndex(documentOf));
}
