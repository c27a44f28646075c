import assert from 'node:assert/strict';
import { type Exchange, RecordedExchanges } from './exchanges.js';
import { describe } from './transcript.js';

/** The answer to a tool call; `result` is the return value of the tool, if it ran. */
export interface Answer extends Exchange {
  readonly result: unknown;
}

/** Calls a tool like curl: one request, without a client library that signs in or steps up. */
export async function callTool(
  resource: string,
  name: string,
  {
    token,
    proof,
    args = {},
  }: { token?: string | undefined; proof?: string | undefined; args?: Record<string, unknown> } = {},
): Promise<Answer> {
  const exchanges = new RecordedExchanges();
  const response = await exchanges.fetch(resource, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `${proof === undefined ? 'Bearer' : 'DPoP'} ${token}` }),
      ...(proof !== undefined && { dpop: proof }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
  });
  return { ...exchanges.next(), result: resultOf(await response.text()) };
}

/** Asserts that the call was refused with exactly this challenge; ignores its text for people, and the algorithms of proofs. */
export function assertRefused(answer: Answer, status: number, expected: Record<string, string>): string[] {
  assert.equal(answer.status, status);
  const { error_description: _, algs: __, ...challenge } = answer.challenge ?? {};
  assert.deepEqual(challenge, expected);
  assert.equal(answer.result, undefined, 'the tool ran');
  return describe(answer);
}

/** Asserts that the tool ran and returned this value. */
export function assertAnswered(answer: Answer, expected: unknown): string[] {
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.result, expected);
  return [...describe(answer), JSON.stringify(answer.result)];
}

/** The answer is JSON, or a stream of one event. */
function resultOf(body: string): unknown {
  const message = /^data: (.+)$/m.exec(body)?.[1] ?? body;
  if (!message.startsWith('{')) return undefined;
  const { result } = JSON.parse(message) as { result?: { content: { text: string }[]; isError?: boolean } };
  const text = result?.content[0]?.text;
  if (result?.isError) throw new Error(`The tool failed: ${text}`);
  return text === undefined ? undefined : JSON.parse(text);
}
