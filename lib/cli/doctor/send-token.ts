import { checkBoundToken } from './bound-token.checks.js';
import { sendBoundToken } from './bound-token.facts.js';
import { problem, type Check } from './check.js';
import type { DpopKey } from './dpop-key.js';
import { usableAlgorithm } from './dpop-offer.js';
import { initializeRequest } from './mcp-request.js';
import type { McpServerFacts } from './mcp-server.facts.js';
import type { Prober } from './prober.js';
import { checkTokenAnswer } from './token-answer.checks.js';
import { thumbprintIn, type TokenVerdict } from './token.checks.js';

/** A sample token with what is known about it. */
export interface SampleToken {
  readonly token: string;
  /** The key to which the token is bound; undefined if the operator gave none. */
  readonly key: DpopKey | undefined;
  readonly verdict: TokenVerdict;
}

/**
 * Sends the token to the MCP server, and checks the answers. Sends a token that is bound to a key with good and bad proofs. Never
 * sends a token over plain http to another machine, where others could read it.
 */
export async function sendToken(
  prober: Prober,
  { url, isLocal, dpop }: McpServerFacts,
  { token, key, verdict }: SampleToken,
): Promise<Check[]> {
  if (!url.startsWith('https:') && !isLocal)
    return [checkTokenAnswer({ kind: 'no-answer', url, why: 'the server is not reached by https' }, verdict)];
  const thumbprint = thumbprintIn(token);
  if (!dpop || !(key || thumbprint !== undefined))
    return [checkTokenAnswer(await prober.send(url, initializeRequest({ authorization: `Bearer ${token}` })), verdict)];
  const isOther = key !== undefined && thumbprint !== undefined && thumbprint !== key.thumbprint;
  const algorithm = usableAlgorithm(dpop);
  const answers = await sendBoundToken(prober, url, { token, key: isOther ? undefined : key, algorithm });
  return [...(isOther ? [ofAnotherKey()] : []), ...checkBoundToken(answers, verdict)];
}

function ofAnotherKey(): Check {
  return problem('error', 'RFC9449-4.3-12b', {
    seen: 'the key is not the one to which the token is bound (cnf.jkt)',
    consequence: 'a proof with this key is refused',
    remedy: 'give the key with which the client asked for this very token',
  });
}
