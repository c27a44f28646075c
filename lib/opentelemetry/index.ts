/**
 * Events as metrics and span attributes of OpenTelemetry. Needs the package `@opentelemetry/api`. Begin at
 * {@link McpAuthOpenTelemetryModule}.
 *
 * @module nestjs-mcp-auth/opentelemetry
 */
export { McpAuthOpenTelemetryModule } from './opentelemetry.module.js';
export type { McpAuthOpenTelemetryOptions } from '../options/opentelemetry-options.js';
