import type { SdkRequest } from './mcp-sdk.call.js';
import type { BridgedOperation } from './mcp-sdk.decorators.js';
import { toToolResult } from './tool-result.js';

/**
 * The members of `McpServer` that the bridge uses, in both versions of the SDK. The type of callbacks is `object`,
 * because the versions call them with different arguments.
 */
export interface SdkServer {
  /** Called once for each `@McpTool()`. */
  registerTool(name: string, config: object, callback: object): unknown;
  /** Called once for each `@McpResource()`. */
  registerResource(name: string, uriOrTemplate: string | object, config: object, callback: object): unknown;
  /** Called once for each `@McpPrompt()`. */
  registerPrompt(name: string, config: object, callback: object): unknown;
}

/** Runs the method behind an operation, and resolves to its result. */
type Run = (request: SdkRequest, args: unknown, sdkContext: unknown) => Promise<unknown>;

/** Registers one operation. Each call of it goes to `run`. */
export function registerOperation(server: SdkServer, operation: BridgedOperation, run: Run): void {
  switch (operation.kind) {
    case 'tool':
      return registerTool(server, operation, run);
    case 'prompt':
      return registerPrompt(server, operation, run);
    case 'resource': {
      const { name, ...config } = operation.config;
      const read = (uri: URL, context: unknown): unknown => run(readRequest(uri), {}, context);
      server.registerResource(name, operation.name, config, read);
      return;
    }
    case 'resource-template': {
      const { name, ...config } = operation.config;
      const read = (uri: URL, variables: unknown, context: unknown): unknown =>
        run(readRequest(uri), variables, context);
      server.registerResource(name, operation.template, config, read);
      return;
    }
  }
}

type Operation<Kind> = Extract<BridgedOperation, { kind: Kind }>;

function registerTool(server: SdkServer, { name, config }: Operation<'tool'>, run: Run): void {
  const call = async (args: unknown, context: unknown): Promise<object> => {
    const returned = await run({ method: 'tools/call', params: { name, arguments: args } }, args, context);
    return toToolResult(returned, config.outputSchema !== undefined);
  };
  server.registerTool(name, config, takingArguments(config.inputSchema, call));
}

function registerPrompt(server: SdkServer, { name, config }: Operation<'prompt'>, run: Run): void {
  const { argsSchema } = config;
  const get = (args: unknown, context: unknown): Promise<unknown> =>
    run({ method: 'prompts/get', params: { name, arguments: args } }, args, context);
  const callback = takingArguments(argsSchema, get);
  const members = isVersion1(server) ? membersOf(argsSchema) : undefined;
  if (!members) {
    server.registerPrompt(name, config, callback);
    return;
  }
  // Version 1 accepts only the members of an object schema. The whole schema, set afterwards, still validates the
  // arguments.
  const registered = server.registerPrompt(name, { ...config, argsSchema: members }, callback);
  Object.assign(registered as object, { argsSchema });
}

/** Without a schema, the SDK calls back with the context only. */
function takingArguments(schema: object | undefined, call: (args: unknown, context: unknown) => unknown): object {
  return schema === undefined ? (context: unknown) => call({}, context) : call;
}

function readRequest({ href }: URL): SdkRequest {
  return { method: 'resources/read', params: { uri: href } };
}

/** Version 2 no longer has the short forms. */
function isVersion1(server: object): boolean {
  return 'prompt' in server;
}

/** The members of a Zod object schema; undefined for other schemas. */
function membersOf(schema: object | undefined): object | undefined {
  if (!schema || !('safeParse' in schema) || !('shape' in schema)) return undefined;
  return typeof schema.shape === 'object' && schema.shape !== null ? schema.shape : undefined;
}
