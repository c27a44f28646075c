import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { McpAuthOpenTelemetryModule } from 'nestjs-mcp-auth/opentelemetry';
import { AppModule as QuickStartModule } from '../01-quick-start/app.module.js';
import { HealthController } from './health.controller.js';

/** The unchanged server of 01-quick-start, with telemetry and a health endpoint. */
// #region module
@Module({
  imports: [QuickStartModule, McpAuthOpenTelemetryModule, TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
})
export class AppModule {}
// #endregion
