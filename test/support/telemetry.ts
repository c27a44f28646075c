import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { context, metrics, SpanKind, trace, type Attributes } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { MeterProvider, MetricReader, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { McpAuthService } from 'nestjs-mcp-auth';
import { until } from './until.js';

class ManualReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** One series of a metric. */
export interface Series {
  readonly attributes: Attributes;
  readonly value: number | Histogram;
}

/** The SDK of OpenTelemetry, registered globally. */
export class Telemetry {
  readonly #reader = new ManualReader();
  readonly #meters = new MeterProvider({ readers: [this.#reader] });
  readonly #exporter = new InMemorySpanExporter();
  readonly #tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] });

  /** Starts the SDK. Call it before the application is created. */
  static start(): Telemetry {
    const telemetry = new Telemetry();
    metrics.setGlobalMeterProvider(telemetry.#meters);
    trace.setGlobalTracerProvider(telemetry.#tracers);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    return telemetry;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#meters.shutdown(), this.#tracers.shutdown()]);
    metrics.disable();
    trace.disable();
    context.disable();
  }

  /** All metrics that were recorded so far. */
  async metrics(): Promise<MetricData[]> {
    const { resourceMetrics } = await this.#reader.collect();
    return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  }

  /** The series of a metric whose attributes include these. */
  async series(name: string, attributes: Attributes = {}): Promise<Series[]> {
    const found = (await this.metrics()).find(({ descriptor }) => descriptor.name === name);
    const series = [...(found?.dataPoints ?? [])] as Series[];
    return series.filter((one) =>
      Object.entries(attributes).every(([attribute, value]) => one.attributes[attribute] === value),
    );
  }

  /** The sum of these series. */
  async sum(name: string, attributes: Attributes = {}): Promise<number> {
    const series = await this.series(name, attributes);
    return series.reduce((sum, { value }) => sum + (typeof value === 'number' ? value : value.count), 0);
  }

  /** The ended spans, oldest first. Waits for this many: a span ends shortly after the client has its answer. */
  async spans(count: number): Promise<ReadableSpan[]> {
    await until(() => this.#exporter.getFinishedSpans().length >= count);
    return this.#exporter.getFinishedSpans();
  }

  /** The attributes of the span of the only request that the function sends to the server. */
  async inSpan(send: () => Promise<void>, server: { readonly app: INestApplication }): Promise<Attributes> {
    instrument(server.app.getHttpServer() as Server);
    this.resetSpans();
    await send();
    const [span] = await this.spans(1);
    return span!.attributes;
  }

  resetSpans(): void {
    this.#exporter.reset();
  }
}

/**
 * Returns a function that waits until every admitted request has ended: an answer ends shortly after the client has it. Call
 * it before the first request.
 */
export function endsOf(app: INestApplication): () => Promise<void> {
  let open = 0;
  app.get(McpAuthService).events$.subscribe(({ type }) => {
    if (type === 'authenticated' || type === 'anonymous') open++;
    else if (type === 'completed') open--;
  });
  return () => until(() => open === 0);
}

/** Creates a span for each request of the server, as @opentelemetry/instrumentation-http does. */
export function instrument(server: Server): void {
  const emit = server.emit.bind(server) as (...args: unknown[]) => boolean;
  server.emit = ((name: string, ...args: unknown[]) => {
    if (name !== 'request') return emit(name, ...args);
    const [request, response] = args as [IncomingMessage, ServerResponse];
    const span = trace.getTracer('http').startSpan(`HTTP ${request.method}`, {
      kind: SpanKind.SERVER,
      attributes: { 'test.id': request.headers['x-test-id'] as string | undefined },
    });
    return context.with(trace.setSpan(context.active(), span), () => {
      context.bind(context.active(), request);
      context.bind(context.active(), response);
      response.once('close', () => span.end());
      return emit(name, ...args);
    });
  }) as Server['emit'];
}
