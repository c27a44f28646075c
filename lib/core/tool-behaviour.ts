import { isRecord, ownMember } from './record.js';

/**
 * What the annotations of a tool say that it does, with the defaults of MCP: `read-only` if `readOnlyHint` is true;
 * otherwise `additive` if `destructiveHint` is false; otherwise `destructive`.
 *
 * @see MCP 2026-07-28, Schema Reference, `ToolAnnotations`
 */
export type ToolBehaviour = 'read-only' | 'additive' | 'destructive';

/** The behaviour that annotations declare. A value that is not a hint counts as absent, so the tool is destructive. */
export function behaviourOf(annotations: unknown): ToolBehaviour {
  if (!isRecord(annotations)) return 'destructive';
  if (ownMember(annotations, 'readOnlyHint') === true) return 'read-only';
  return ownMember(annotations, 'destructiveHint') === false ? 'additive' : 'destructive';
}
