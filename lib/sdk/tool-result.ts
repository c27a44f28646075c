/**
 * What a tool returned, as the result that MCP wants. A result of that form is left alone; any other value becomes
 * text, of an object its JSON, and with an output schema the structured content as well.
 */
export function toToolResult(value: unknown, hasOutputSchema: boolean): object {
  if (isResult(value)) return value;
  if (value === undefined) return { content: [] };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { content: [{ type: 'text', text }], ...(hasOutputSchema && { structuredContent: value }) };
}

/** `resultType` stands in results that ask the client for something first (MCP 2026-07-28). */
function isResult(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return ('content' in value && Array.isArray(value.content)) || 'structuredContent' in value || 'resultType' in value;
}
