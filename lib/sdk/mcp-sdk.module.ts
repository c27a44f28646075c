import { Global, Module, type NestModule } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { McpSdkBridge } from './mcp-sdk.bridge.js';

/**
 * Makes {@link McpSdkBridge} injectable everywhere. Requires `McpAuthModule` in the same application. Does NOT mount a
 * route or a transport.
 *
 * @throws {McpAuthConfigError} at start, for a tool, resource or prompt at a place where Nest would not run guards.
 */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [McpSdkBridge],
  exports: [McpSdkBridge],
})
export class McpSdkModule implements NestModule {
  constructor(private readonly bridge: McpSdkBridge) {}

  /** Nest calls this after it has instantiated every module. */
  configure(): void {
    this.bridge.discover();
  }
}
