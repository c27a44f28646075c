import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { McpAuthModuleOptions } from './options/options.js';

/** Settings that Nest needs before any factory has run; see `McpAuthModule.forRoot`. */
export interface McpAuthModuleExtras {
  /**
   * Whether the guard protects every route of the application. With `false` it protects decorated handlers, those with
   * `@UseGuards(McpAuthGuard)`, and MCP itself: whatever a controller serves at the path of a resource, or is asked for by a
   * request of the MCP transport. A route there that needs no token is declared `@Public()`.
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
