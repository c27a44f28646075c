import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  Optional,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { isSpanContextValid, metrics, trace } from '@opentelemetry/api';
import type { Subscription } from 'rxjs';
import { McpAuthConfigError } from '../core/error.js';
import { McpAuthHealthIndicator } from '../mcp-auth.health.js';
import { AuthEventEmitter } from '../observability/event-emitter.js';
import type { McpAuthEvent } from '../observability/event-types.js';
import {
  readOpenTelemetryOptions,
  type McpAuthOpenTelemetryOptions,
  type ResolvedOpenTelemetryOptions,
} from '../options/opentelemetry-options.js';
import type { SpanIds } from '../request/trace-context.js';
import { AuthMetrics } from './auth-metrics.js';
import { describeOnSpan } from './span-attributes.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<McpAuthOpenTelemetryOptions>({ moduleName: 'McpAuthOpenTelemetry' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createMcpAuthOpenTelemetryOptions')
    .build();

/** Name of the meter. */
const SCOPE = 'nestjs-mcp-auth';

/**
 * Turns the events of `McpAuthModule` into metrics and span attributes of OpenTelemetry, through its global API. Import it
 * beside `McpAuthModule`: as it is, or with `forRoot(options)` or `forRootAsync(…)`. Start the SDK of OpenTelemetry before the
 * application is created: a meter that is taken before records nothing.
 *
 * Does NOT create spans or export anything. It sets attributes on the span that is active when the guard decides, such as that
 * of `@opentelemetry/instrumentation-http`. Metrics never contain names that clients choose, or callers. Neither metrics nor
 * spans contain tokens.
 *
 * @throws {McpAuthConfigError} at start, if options cannot be used, or `McpAuthModule` is not imported.
 */
@Module({})
export class McpAuthOpenTelemetryModule extends ConfigurableModuleClass implements OnModuleInit, OnApplicationShutdown {
  readonly #options: ResolvedOpenTelemetryOptions;
  #metrics: AuthMetrics | undefined;
  #subscription: Subscription | undefined;

  constructor(
    @Optional() @Inject(MODULE_OPTIONS_TOKEN) options: McpAuthOpenTelemetryOptions | undefined,
    @Optional() private readonly events: AuthEventEmitter,
    @Optional() private readonly health: McpAuthHealthIndicator,
  ) {
    super();
    if ((events as AuthEventEmitter | undefined) === undefined) throw moduleMissing();
    this.#options = readOpenTelemetryOptions(options);
  }

  /** Configures the module with options that are known when it is loaded. All are optional. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** Configures the module with options from a factory: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return super.forRootAsync(options);
  }

  /** Nest calls this after it has created all providers. */
  onModuleInit(): void {
    const { health } = this;
    this.events.activeSpan = activeSpan;
    if (!this.#options.metrics && !this.#options.spanAttributes) return;
    if (this.#options.metrics)
      this.#metrics = new AuthMetrics(metrics.getMeter(SCOPE), () => health.isHealthy()['mcp-auth'].issuers);
    this.#subscription = this.events.events$.subscribe((event) => this.#record(event));
  }

  /** Nest calls this when the application shuts down. */
  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
    this.#metrics?.close();
  }

  /** Runs within the request of the event, so that its span is active. */
  #record(event: McpAuthEvent): void {
    this.#metrics?.record(event);
    const span = this.#options.spanAttributes ? trace.getActiveSpan() : undefined;
    if (span) describeOnSpan(span, event, this.#options);
  }
}

/** Undefined without a span, and without the SDK of OpenTelemetry. */
function activeSpan(): SpanIds | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  return span && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : undefined;
}

function moduleMissing(): McpAuthConfigError {
  return new McpAuthConfigError([
    {
      option: 'imports',
      seen: 'McpAuthOpenTelemetryModule in an application without McpAuthModule of the same copy of nestjs-mcp-auth',
      why: 'it needs the events of that module',
      write: 'Import McpAuthModule.forRoot({ resource, authorizationServers }) in the root module',
    },
  ]);
}
