import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { metrics, trace } from '@opentelemetry/api';
import { type McpAuthEvent, McpAuthService } from 'nestjs-mcp-auth';
import type { Subscription } from 'rxjs';

/**
 * Converts events to metrics and span attributes. Uses only closed sets as labels of metrics: with text that clients
 * choose, such as names of tools, clients could create any number of time series.
 */
// #region telemetry
@Injectable()
export class McpAuthTelemetry implements OnModuleInit, OnApplicationShutdown {
  private readonly meter = metrics.getMeter('notes');
  private readonly decisions = this.meter.createCounter('mcp.auth.decisions', {
    description: 'Requests admitted or refused',
  });
  private readonly stepUps = this.meter.createHistogram('mcp.auth.step_up.duration', {
    unit: 's',
    description: 'From the refusal to the call with more scopes',
  });
  private readonly outages = this.meter.createCounter('mcp.auth.issuer.outages', {
    description: 'Outages of issuers',
  });
  private subscription?: Subscription;

  constructor(private readonly mcpAuth: McpAuthService) {}

  onModuleInit() {
    this.subscription = this.mcpAuth.events$.subscribe((event) => this.record(event));
  }

  onApplicationShutdown() {
    this.subscription?.unsubscribe();
  }

  /** Runs within the request: its span is active. */
  private record(event: McpAuthEvent) {
    switch (event.type) {
      case 'authenticated':
        this.decisions.add(1, { outcome: 'accepted', resource: event.resource });
        trace
          .getActiveSpan()
          ?.setAttributes({ 'enduser.id': event.principalKey, 'mcp.auth.client_id': event.clientId });
        break;
      case 'refused':
        this.decisions.add(1, { outcome: 'refused', reason: event.reason, resource: event.resource });
        trace
          .getActiveSpan()
          ?.addEvent('mcp.auth.refused', { code: event.code, reason: event.reason, operations: [...event.operations] });
        break;
      case 'step-up':
        this.stepUps.record(event.afterMs / 1000, { resource: event.resource });
        break;
      case 'issuer-unreachable':
        this.outages.add(1, { issuer: event.issuer, what: event.what });
        break;
    }
  }
}
// #endregion
