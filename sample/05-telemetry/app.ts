import type { AbstractHttpAdapter } from '@nestjs/core';
import { SpanKind, trace } from '@opentelemetry/api';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createApp as createQuickStart } from '../01-quick-start/app.js';
import { AppModule } from './app.module.js';

export async function createApp(adapter: AbstractHttpAdapter) {
  const app = await createQuickStart(adapter, AppModule);
  app.use(spanOfRequest);
  return app;
}

/**
 * Does what @opentelemetry/instrumentation-http does in your application: creates a span for each request, active until
 * its end.
 */
function spanOfRequest({ method }: IncomingMessage, response: ServerResponse, next: () => void) {
  trace.getTracer('notes').startActiveSpan(`HTTP ${method}`, { kind: SpanKind.SERVER }, (span) => {
    response.once('close', () => {
      span.setAttribute('http.response.status_code', response.statusCode);
      span.end();
    });
    next();
  });
}
