import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { AppModule as QuickStartModule } from '../01-quick-start/app.module.js';
import { HealthController } from './health.controller.js';
import { McpAuthTelemetry } from './mcp-auth.telemetry.js';

/** The unchanged server of 01-quick-start, with telemetry and a health endpoint. */
@Module({
  imports: [QuickStartModule, TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [McpAuthTelemetry],
})
export class AppModule {}
