import { registerAs } from '@nestjs/config';
import { optionsFromEnvironment } from './options/environment-options.js';

/**
 * The options of `McpAuthModule` from environment variables, as a namespace of `@nestjs/config`:
 * `McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())`.
 *
 * `MCP_AUTH_RESOURCE` and `MCP_AUTH_ISSUER` are required. `MCP_AUTH_ISSUER`, `MCP_AUTH_AUDIENCE` and the scopes take
 * several values, separated by commas. A variable that is empty counts as absent; one that begins with `MCP_AUTH_`
 * and is not known is refused, since it may be a misspelt one that protects.
 *
 * `MCP_AUTH_INTROSPECTION_CLIENT_ID` and `MCP_AUTH_INTROSPECTION_CLIENT_SECRET`, which need each other and a single issuer,
 * have that issuer asked about every token (`client_secret_basic`).
 *
 * @throws {McpAuthConfigError} naming each variable at fault, what was seen, and an example.
 */
export const mcpAuthConfig = registerAs('mcpAuth', () => optionsFromEnvironment(process.env));
