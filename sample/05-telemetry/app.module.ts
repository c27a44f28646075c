import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { AppModule as QuickStartModule } from '../01-quick-start/app.module.js';
import { HealthController } from './health.controller.js';
import { McpAuthTelemetry } from './mcp-auth.telemetry.js';

/** The server of 01-quick-start, as it is, and what watches over it. */
@Module({
  imports: [QuickStartModule, TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [McpAuthTelemetry],
})
export class AppModule {}
