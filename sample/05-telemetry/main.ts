import { ConsoleMetricExporter } from '@opentelemetry/sdk-metrics';
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { createApp } from './app.js';
import { startTelemetry } from './telemetry.js';

startTelemetry(new ConsoleMetricExporter(), new ConsoleSpanExporter());
await run(async () => createApp(await platform()));
