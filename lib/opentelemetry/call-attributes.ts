import type { Attributes } from '@opentelemetry/api';
import type { CallEnd } from '../core/call-outcome.js';
import type { McpMessageFacts } from '../observability/event-types.js';
import { ATTRIBUTES, EXECUTE_TOOL, METHODS, OTHER, TOOL_ERROR } from './semantic-conventions.js';

/** The codes that JSON-RPC 2.0 reserves (§5.1). An application could choose any number of other codes. */
const RESERVED_CODES = { from: -32_768, to: -32_000 };

/** The attributes of a message for metrics: from closed sets, whatever a client sends. */
export function labelsOf({ method, kind, name, isDeclared }: McpMessageFacts): Attributes {
  const known = METHODS.has(method) ? (method as string) : OTHER;
  return { [ATTRIBUTES.mcpMethod]: known, ...targetOf(kind, isDeclared ? name : OTHER) };
}

/** The attributes of a message for spans, as sent but shortened. */
export function spanAttributesOf({ method, kind, name }: McpMessageFacts): Attributes {
  if (method === undefined) return {};
  const uri = kind === 'resource' && name !== undefined ? { [ATTRIBUTES.mcpResourceUri]: name } : {};
  return { [ATTRIBUTES.mcpMethod]: method, ...targetOf(kind, name), ...uri };
}

function targetOf(kind: McpMessageFacts['kind'], name: string | undefined): Attributes {
  if (name === undefined) return {};
  if (kind === 'tool') return { [ATTRIBUTES.operationName]: EXECUTE_TOOL, [ATTRIBUTES.toolName]: name };
  return kind === 'prompt' ? { [ATTRIBUTES.promptName]: name } : {};
}

/** The attributes of an end, from closed sets. Empty for a call that did not fail, as far as known. */
export function failureOf({ outcome, status, errorCode }: CallEnd): Attributes {
  const code = errorCode === undefined ? undefined : codeText(errorCode);
  const responseCode = code === undefined ? {} : { [ATTRIBUTES.responseCode]: code };
  switch (outcome) {
    case 'ok':
    case 'unknown':
      return {};
    case 'aborted':
      return { [ATTRIBUTES.errorType]: 'aborted' };
    case 'tool-error':
      return { [ATTRIBUTES.errorType]: TOOL_ERROR };
    case 'rpc-error':
      return { [ATTRIBUTES.errorType]: code ?? OTHER, ...responseCode };
    case 'http-error':
      return { [ATTRIBUTES.errorType]: code ?? String(status), ...responseCode };
  }
}

function codeText(code: number): string {
  return code >= RESERVED_CODES.from && code <= RESERVED_CODES.to ? String(code) : OTHER;
}
