import { Global, Module, type NestModule } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { McpSdkBridge } from './mcp-sdk.bridge.js';

/**
 * Makes {@link McpSdkBridge} injectable anywhere. Needs `McpAuthModule` beside it; mounts no route and no transport.
 *
 * @throws {McpAuthConfigError} at start, for a tool, resource or prompt where guards would not be found.
 */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [McpSdkBridge],
  exports: [McpSdkBridge],
})
export class McpSdkModule implements NestModule {
  constructor(private readonly bridge: McpSdkBridge) {}

  /** Nest calls this after every module was instantiated. */
  configure(): void {
    this.bridge.discover();
  }
}
