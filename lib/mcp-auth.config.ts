import { registerAs } from '@nestjs/config';
import { optionsFromEnvironment } from './options/environment-options.js';

/**
 * The options of `McpAuthModule` from environment variables, as a namespace of `@nestjs/config`:
 * `McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())`.
 *
 * `MCP_AUTH_RESOURCE` and `MCP_AUTH_ISSUER` are required. `MCP_AUTH_ISSUER`, `MCP_AUTH_AUDIENCE` and the scopes take
 * several values, separated by commas. An empty variable counts as absent. An unknown variable that begins with `MCP_AUTH_` is
 * refused, since it may be a protection with a misspelt name.
 *
 * `MCP_AUTH_INTROSPECTION_CLIENT_ID` and `MCP_AUTH_INTROSPECTION_CLIENT_SECRET` turn on introspection of every token at the
 * issuer (`client_secret_basic`). They need each other and a single issuer.
 *
 * @throws {McpAuthConfigError} that names each wrong variable, what was seen, and an example.
 */
export const mcpAuthConfig = registerAs('mcpAuth', () => optionsFromEnvironment(process.env));
