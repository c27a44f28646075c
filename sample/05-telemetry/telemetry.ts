import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';

/**
 * Starts OpenTelemetry with these exporters. Call it before you create the application. In your application, use
 * @opentelemetry/sdk-node.
 */
export function startTelemetry(metricExporter: PushMetricExporter, spanExporter: SpanExporter) {
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })] });
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] });
  metrics.setGlobalMeterProvider(meters);
  trace.setGlobalTracerProvider(tracers);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return {
    flush: () => Promise.all([meters.forceFlush(), tracers.forceFlush()]),
    shutdown: () => Promise.all([meters.shutdown(), tracers.shutdown()]),
  };
}
