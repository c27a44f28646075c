/**
 * Names of attributes and metrics. Those without the prefix `mcp_auth` are of the semantic conventions of OpenTelemetry:
 * general (1.45) and for MCP (https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md). The
 * conventions for MCP are in development, so their names are copied here, and not imported.
 */
export const ATTRIBUTES = {
  errorType: 'error.type',
  mcpMethod: 'mcp.method.name',
  mcpResourceUri: 'mcp.resource.uri',
  operationName: 'gen_ai.operation.name',
  promptName: 'gen_ai.prompt.name',
  responseCode: 'rpc.response.status_code',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolName: 'gen_ai.tool.name',
  transport: 'network.transport',
  userHash: 'user.hash',

  clientId: 'mcp_auth.client.id',
  code: 'mcp_auth.error.code',
  decision: 'mcp_auth.decision',
  downstream: 'mcp_auth.downstream',
  issuer: 'mcp_auth.issuer',
  issuerPart: 'mcp_auth.issuer.part',
  issuerState: 'mcp_auth.issuer.state',
  outcome: 'mcp_auth.outcome',
  reason: 'mcp_auth.reason',
  resource: 'mcp_auth.resource',
  scopes: 'mcp_auth.scopes',
} as const;

/** Stands for every value that is not in a closed set, as in the conventions. */
export const OTHER = '_OTHER';

/** The value of `gen_ai.operation.name` for a call of a tool. */
export const EXECUTE_TOOL = 'execute_tool';

/** The value of `error.type` for a tool result whose `isError` is true. */
export const TOOL_ERROR = 'tool_error';

/** Methods of MCP that clients send, of all revisions up to 2026-07-28. Others are `_OTHER` in metrics. */
export const METHODS: ReadonlySet<string | undefined> = new Set([
  'completion/complete',
  'initialize',
  'logging/setLevel',
  'notifications/cancelled',
  'notifications/elicitation/complete',
  'notifications/initialized',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/tasks/status',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'server/discover',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tools/call',
  'tools/list',
]);

/** Bounds of buckets that the conventions advise for operations of MCP, in seconds. */
export const OPERATION_BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300];

/** Most decisions take less than a millisecond; those that wait for an authorization server, up to ten seconds. */
export const DECISION_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** A step-up waits for a user, at most ten minutes. */
export const STEP_UP_BUCKETS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
