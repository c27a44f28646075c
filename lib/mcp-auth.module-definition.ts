import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { McpAuthModuleOptions } from './options/options.js';

/** Settings that Nest needs before any factory runs; see `McpAuthModule.forRoot`. */
export interface McpAuthModuleExtras {
  /**
   * Whether the guard protects every route of the application. With `false` it protects decorated handlers, handlers with
   * `@UseGuards(McpAuthGuard)`, and MCP itself: every route of a controller at the path of a resource, and every request of
   * the MCP transport. Declare a route there `@Public()` if it needs no token.
   * @default true
   */
  globalGuard?: boolean;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<McpAuthModuleOptions>({ moduleName: 'McpAuth' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createMcpAuthOptions')
    .setExtras<McpAuthModuleExtras>({ globalGuard: true }, (definition) => ({ ...definition, global: true }))
    .build();
