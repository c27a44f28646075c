import { isLoopback, parseUrl } from '../core/resource.js';
import { productOf } from './known-products.js';
import type { Finding, Remark, ReviewedServer } from './metadata-review/finding.js';
import { issuerIsSecure, issuerIsTheSame } from './metadata-review/issuer.rules.js';
import { publishesKeys, takesAsymmetricProofsOnly } from './metadata-review/key.rules.js';
import { registersClients, takesClientMetadataDocuments } from './metadata-review/registration.rules.js';
import {
  advertisesPkce,
  hasNoWithdrawnGrants,
  namesItselfInResponses,
  offersCodeFlow,
  refreshesTokens,
} from './metadata-review/sign-in.rules.js';

/** All rules, in the order of their ids. */
const RULES: readonly (readonly [id: Finding['id'], rule: (server: ReviewedServer) => readonly Remark[]])[] = [
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
 * Finds everything in an authorization server's metadata that will make MCP clients fail. Reads only this document: does NOT
 * fetch it, compare it with its other form, look at the keys, or check that the server does what the document says.
 *
 * Never throws, whatever the document holds.
 *
 * @param issuer the issuer that is advertised to clients, which they compare with the document
 * @returns findings in the order of their ids; empty if there are none
 * @see MCP 2026-07-28, Authorization; RFC 8414 §2
 */
export function reviewMetadata(document: Readonly<Record<string, unknown>>, issuer: string): Finding[] {
  const url = parseUrl(issuer);
  const server = { document, issuer, isLocal: url !== undefined && isLoopback(url), product: productOf(issuer) };
  return RULES.flatMap(([id, rule]) => rule(server).map((remark) => ({ id, ...remark })));
}
