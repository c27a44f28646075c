import { bearerChallenge } from './bearer-challenge.js';
import { judge, type Check, type Requirement } from './check.js';
import { request, type Answer } from './mcp-request.js';

/** Two tokens that the server under test accepts. */
export interface ScopeTokens {
  /** Has the scope `mcp:conformance:baseline` only. */
  readonly low: string;
  /** Has every scope of {@link OPERATIONS}, too. */
  readonly full: string;
}

/** The opaque tokens of the scenario `sep-2350-server-scope-challenge`. A server under test must know them. */
export const OPAQUE_TOKENS: ScopeTokens = { low: 'mcp-conformance-scope-low', full: 'mcp-conformance-scope-full' };

export const BASELINE_SCOPE = 'mcp:conformance:baseline';

/** An operation of the server under test, and the two scopes that it needs. */
interface Operation {
  readonly name: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly scopes: readonly [string, string];
  /** Whether the result is what the fixture answers. */
  isServed(result: Readonly<Record<string, unknown>>): boolean;
}

const first = (result: Readonly<Record<string, unknown>>, list: string): Record<string, unknown> =>
  (result[list] as Record<string, unknown>[] | undefined)?.[0] ?? {};

/** The fixtures that the server under test must have, which are those of the other scenarios. */
export const OPERATIONS: readonly Operation[] = [
  {
    name: 'tool',
    method: 'tools/call',
    params: { name: 'test_simple_text', arguments: {} },
    scopes: ['mcp:conformance:tools:call', 'mcp:conformance:tools:test_simple_text'],
    isServed: (result) => first(result, 'content')['type'] === 'text',
  },
  {
    name: 'static-resource',
    method: 'resources/read',
    params: { uri: 'test://static-text' },
    scopes: ['mcp:conformance:resources:read', 'mcp:conformance:resources:static'],
    isServed: (result) => first(result, 'contents')['uri'] === 'test://static-text',
  },
  {
    name: 'template-resource',
    method: 'resources/read',
    params: { uri: 'test://template/123/data' },
    scopes: ['mcp:conformance:resources:read', 'mcp:conformance:resources:template:123'],
    isServed: (result) => String(first(result, 'contents')['text']).includes('123'),
  },
  {
    name: 'prompt',
    method: 'prompts/get',
    params: { name: 'test_simple_prompt' },
    scopes: ['mcp:conformance:prompts:get', 'mcp:conformance:prompts:test_simple_prompt'],
    isServed: (result) => first(result, 'messages')['role'] === 'user',
  },
];

const STEP_UP = {
  id: 'MCP-Auth-Runtime-Insufficient-Scope-Errors',
  url: 'https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#runtime-insufficient-scope-errors',
};

const requirement = (id: string, { name }: Operation, sentence: string): Requirement => ({
  id: `${id}-${name}`,
  description: `${name}: ${sentence}`,
  level: 'SHOULD',
  specReferences: [STEP_UP],
});

/**
 * Checks that a server refuses a token with too few scopes so that a client can step up at once, as in the scenario
 * `sep-2350-server-scope-challenge`: four operations, four checks each.
 */
export async function checkScopeChallenges(serverUrl: string, tokens: ScopeTokens): Promise<Check[]> {
  const checks: Check[] = [];
  for (const operation of OPERATIONS) {
    const send = (token: string): Promise<Answer> =>
      request(serverUrl, '2026-07-28', operation.method, operation.params, token);
    const refused = await send(tokens.low);
    const served = await send(tokens.full);
    checks.push(
      judge(
        requirement('sep-2350-http-403', operation, 'a token without the scopes gets 403'),
        refused.status === 403 ? undefined : `got ${refused.status}`,
      ),
      judge(
        requirement('sep-2350-www-authenticate', operation, 'the challenge says insufficient_scope and where to look'),
        challengeComplaint(serverUrl, refused),
      ),
      judge(
        requirement('sep-2350-server-single-challenge', operation, 'one challenge names every scope'),
        scopeComplaint(refused, operation.scopes),
      ),
      judge(
        requirement('sep-2350-upgraded-token', operation, 'a token with the scopes is served'),
        served.status === 200 && operation.isServed(served.result ?? {}) ? undefined : `got ${served.status}`,
      ),
    );
  }
  return checks;
}

function challengeComplaint(serverUrl: string, { challenge }: Answer): string | undefined {
  const bearer = bearerChallenge(challenge);
  const metadata = bearer?.resource_metadata ?? '';
  if (bearer?.error !== 'insufficient_scope' || !URL.canParse(metadata)) return `got ${challenge}`;
  const { protocol, origin, hash } = new URL(metadata);
  const isTrusted = protocol === 'https:' || origin === new URL(serverUrl).origin;
  return isTrusted && hash === '' ? undefined : `resource_metadata is ${metadata}`;
}

function scopeComplaint({ challenge }: Answer, scopes: readonly string[]): string | undefined {
  const asked = bearerChallenge(challenge)?.scope?.split(' ') ?? [];
  const missing = scopes.filter((scope) => !asked.includes(scope));
  return missing.length === 0 ? undefined : `the challenge lacks ${missing.join(' ')}: ${challenge}`;
}
