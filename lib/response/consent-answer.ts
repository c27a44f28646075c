import type { McpAuthConsentRequiredError } from '../core/consent-required-error.js';
import { isRecord } from '../core/record.js';

/** The members that are read from contexts of MCP frameworks. What version 2 of the SDK passes on holds the `_meta` of the request. */
interface McpContext {
  readonly mcpRequest?: { readonly method?: unknown };
  readonly sdkContext?: {
    readonly mcpReq?: {
      readonly envelope?: Readonly<Record<string, unknown>>;
      readonly inputResponses?: Readonly<Record<string, unknown>>;
    };
  };
}

const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';
const CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

/**
 * The result of an MCP handler whose user must consent first; undefined if the error itself is the answer, as up to MCP 2025-11-25.
 * Since 2026-07-28 there is no such error: the result asks for the elicitation, and the client repeats its request when the user
 * has agreed to open the page, which is before they are done there. Then, and if they declined, they are not asked again.
 *
 * @see MCP 2026-07-28, Elicitation, and Multi Round-Trip Requests
 */
export function consentResult(error: McpAuthConsentRequiredError, rpcContext: unknown): object | undefined {
  const { mcpRequest, sdkContext } = (rpcContext ?? {}) as McpContext;
  const { envelope, inputResponses } = sdkContext?.mcpReq ?? {};
  if (envelope?.[PROTOCOL_VERSION] === undefined) return undefined;
  const key = `consent-${error.to}`;
  const wasAsked = inputResponses !== undefined && Object.hasOwn(inputResponses, key);
  if (!wasAsked && opensUrls(envelope)) return inputRequired(error, key);
  // Prompts and resources have no result for errors.
  if (mcpRequest?.method !== 'tools/call') throw new Error(error.message);
  return { content: [{ type: 'text', text: error.message }], isError: true };
}

/** `@rekog/mcp-nest` takes only what has `content` for a result, and passes it on. */
function inputRequired({ data }: McpAuthConsentRequiredError, key: string): object {
  const [request] = data.elicitations;
  // This revision correlates by the key, and has no ids.
  const { elicitationId: _id, ...params } = request ?? {};
  const inputRequests = { [key]: { method: 'elicitation/create', params } };
  return { content: [], resultType: 'input_required', inputRequests };
}

/** Whether the client says that it can open URLs. */
function opensUrls(envelope: Readonly<Record<string, unknown>>): boolean {
  const capabilities = envelope[CLIENT_CAPABILITIES];
  const elicitation = isRecord(capabilities) ? capabilities['elicitation'] : undefined;
  return isRecord(elicitation) && isRecord(elicitation['url']);
}
