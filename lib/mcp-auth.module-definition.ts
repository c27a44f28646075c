import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { GlobalGuard } from './options/global-guard-option.js';
import type { McpAuthModuleOptions } from './options/options.js';

/** Settings that Nest needs before any factory runs; see `McpAuthModule.forRoot`. */
export interface McpAuthModuleExtras {
  /**
   * Which routes the guard protects by itself:
   * - `true`: every route of the application;
   * - `'mcp'`: MCP, which is every route of a controller at the path of a resource, and every request of the MCP transport.
   *   Declare a route there `@Public()` if it needs no token;
   * - `false`: none. Bind `McpAuthGuard` to the controller of MCP, or make a guard of your own call it. The application does
   *   not start if a resource answers a request without a token.
   *
   * With each of them, it also protects handlers with a decorator of this library, and with `@UseGuards(McpAuthGuard)`.
   * @default true
   */
  globalGuard?: GlobalGuard;
}

/** The token of the value of `globalGuard` among the providers of the module. */
export const GLOBAL_GUARD = Symbol('globalGuard');

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<McpAuthModuleOptions>({ moduleName: 'McpAuth' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createMcpAuthOptions')
    .setExtras<McpAuthModuleExtras>({ globalGuard: true }, (definition) => ({ ...definition, global: true }))
    .build();
