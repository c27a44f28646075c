/**
 * Methods of Nest providers as tools, resources and prompts of the official SDK, versions 1 and 2. Begin at
 * {@link McpSdkModule} and {@link McpTool}.
 *
 * @module nestjs-mcp-auth/sdk
 */
export { McpSdkBridge, type RegisterOptions } from './mcp-sdk.bridge.js';
export { SdkCall, type SdkRequest } from './mcp-sdk.call.js';
export {
  Args,
  McpPrompt,
  McpResource,
  McpTool,
  ResourceUri,
  SdkContext,
  type McpPromptOptions,
  type McpResourceOptions,
  type McpToolOptions,
} from './mcp-sdk.decorators.js';
export { McpSdkModule } from './mcp-sdk.module.js';
export type { SdkServer } from './mcp-sdk.server.js';
export type { SdkResourceTemplate } from './uri-template.js';
