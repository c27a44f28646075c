/**
 * Converts the return value of a tool to a result of MCP. Returns a value of that form unchanged. Any other value
 * becomes text (JSON for objects), and with an output schema also the structured content.
 */
export function toToolResult(value: unknown, hasOutputSchema: boolean): object {
  if (isResult(value)) return value;
  if (value === undefined) return { content: [] };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { content: [{ type: 'text', text }], ...(hasOutputSchema && { structuredContent: value }) };
}

/** Results that first ask the client for input have `resultType` (MCP 2026-07-28). */
function isResult(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return ('content' in value && Array.isArray(value.content)) || 'structuredContent' in value || 'resultType' in value;
}
