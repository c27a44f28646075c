import type { Check } from './check.js';
import { checkMetadata } from './metadata.js';
import type { SpecVersion } from './mcp-request.js';
import { BASELINE_SCOPE, OPERATIONS, checkScopeChallenges } from './scope-challenge.js';
import { checkTokenAudience, type TokenIssuer } from './token-audience.js';

export type { Check } from './check.js';
export type { SpecVersion } from './mcp-request.js';
export type { TokenIssuer } from './token-audience.js';

/** The server under test, and the issuer that it trusts. */
export interface ResourceServerUnderTest {
  /** The URL of the MCP endpoint, which is also its resource identifier. */
  readonly serverUrl: string;
  /** The issuer identifier, and what mints its tokens. */
  readonly issuer: TokenIssuer & { readonly issuer: string };
  /** The version that the server is asked in. The step-up of 2026-07-28 is checked for that version only. */
  readonly version: SpecVersion;
}

/**
 * Checks an MCP server as an OAuth 2.1 resource server over HTTP: metadata, audience of tokens, step-up.
 *
 * This folder needs Node.js and nothing else, knows nothing of the server under test, and writes checks with the members
 * that the MCP conformance suite uses, so that it can be run against any server and be offered there.
 *
 * The server needs the fixtures of the suite (`test_simple_text`, `test://static-text`, `test://template/{id}/data`,
 * `test_simple_prompt`) with the scopes of {@link OPERATIONS}, and no scope for the first request.
 */
export async function checkResourceServer(server: ResourceServerUnderTest): Promise<Check[]> {
  const { serverUrl, issuer, version } = server;
  const scopes = [BASELINE_SCOPE, ...OPERATIONS.flatMap((operation) => operation.scopes)];
  const [low, full] = await Promise.all([
    issuer.sign({ aud: serverUrl, scope: BASELINE_SCOPE }),
    issuer.sign({ aud: serverUrl, scope: [...new Set(scopes)].join(' ') }),
  ]);
  return [
    ...(await checkMetadata(serverUrl, issuer.issuer, version)),
    ...(await checkTokenAudience(serverUrl, issuer, version)),
    ...(version === '2026-07-28' ? await checkScopeChallenges(serverUrl, { low, full }) : []),
  ];
}
