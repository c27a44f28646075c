import { expect } from '@jest/globals';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { messagesOf } from './expectations.js';

export interface ToolResult {
  readonly content: readonly { readonly text: string }[];
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** The result of a `tools/call`. Asserts the status 200. */
export async function resultOf(response: Response): Promise<ToolResult> {
  expect(response.status).toBe(200);
  const [message] = messagesOf(await response.text()) as [{ result: ToolResult }];
  return message.result;
}

/** The challenges in `_meta`, where ChatGPT reads them. */
export function challengesOf({ _meta }: ToolResult): ReturnType<typeof parseChallenges> {
  return parseChallenges((_meta?.['mcp/www_authenticate'] ?? []) as string[]);
}
