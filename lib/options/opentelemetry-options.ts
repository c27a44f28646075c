import { OptionReader, readWhole, type OptionsRead, type ReadersOf } from './option-reader.js';

/** Options of `McpAuthOpenTelemetryModule` in `nestjs-mcp-auth/opentelemetry`. */
export interface McpAuthOpenTelemetryOptions {
  /**
   * Records metrics with the global meter provider of OpenTelemetry.
   * @default true
   */
  metrics?: boolean;
  /**
   * Sets attributes on the active span of each request.
   * @default true
   */
  spanAttributes?: boolean;
  /**
   * How spans name the caller: by `principalKey`, a hash of issuer and subject, in the attribute `user.hash` (`'hash'`); or
   * not at all (`'none'`). The hash is the same for all requests of a user: it is personal data where that matters. Metrics
   * never name callers.
   * @default 'hash'
   */
  principal?: 'hash' | 'none';
  /**
   * Sets the arguments of tools that the option `eventArguments` of `McpAuthModule` lets through on spans, as JSON in the
   * attribute `gen_ai.tool.call.arguments`. Metrics never have them.
   * @default false
   */
  toolArguments?: boolean;
}

export const OPENTELEMETRY_OPTIONS = {
  metrics: (option) => option.flag(true),
  spanAttributes: (option) => option.flag(true),
  principal: (option) => option.choice(['hash', 'none']),
  toolArguments: (option) => option.flag(false),
} satisfies ReadersOf<McpAuthOpenTelemetryOptions>;

/** The options after validation. */
export type ResolvedOpenTelemetryOptions = OptionsRead<typeof OPENTELEMETRY_OPTIONS>;

/**
 * Validates the options and fills in the defaults.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readOpenTelemetryOptions(
  options: McpAuthOpenTelemetryOptions | undefined,
): ResolvedOpenTelemetryOptions {
  return readWhole(OptionReader.of(options), (option) => option.section(OPENTELEMETRY_OPTIONS));
}
