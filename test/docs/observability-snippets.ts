import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { McpAuthService, type CompletedEvent, type EventArgumentsContext, type McpAuthEvent } from 'nestjs-mcp-auth';
import { McpAuthOpenTelemetryModule } from 'nestjs-mcp-auth/opentelemetry';

/** The code of docs/guides/observability.md that no sample has: compiled here, and run by the test beside it. */

// #region events
@Injectable()
export class AuditLog implements OnModuleInit {
  private readonly logger = new Logger('Audit');

  constructor(private readonly mcpAuth: McpAuthService) {}

  onModuleInit() {
    this.mcpAuth.events$.subscribe((event) => {
      if (event.type === 'refused' || event.type === 'step-up') this.logger.log(JSON.stringify(event));
    });
  }
}
// #endregion

export const reasons = new Map<string, number>();

// #region channel
function count(message: unknown): void {
  const { reason } = message as Extract<McpAuthEvent, { type: 'refused' }>;
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
}

subscribe('nestjs-mcp-auth:refused', count);
// #endregion

/** Channels belong to the process, and other tests run in it. */
export function stopCounting(): void {
  unsubscribe('nestjs-mcp-auth:refused', count);
}

// #region arguments
/** Tells which note a call is about, and how long its text is. */
export function redactNote({ name, args }: EventArgumentsContext) {
  if (name !== 'write-note') return undefined;
  const { noteId, text } = args as { noteId?: unknown; text?: unknown };
  return { noteId, textLength: String(text ?? '').length };
}
// McpAuthModule.forRoot({ eventArguments: redactNote, … })
// #endregion

// #region opentelemetry
export const openTelemetry = McpAuthOpenTelemetryModule.forRoot({ principal: 'none' });
// #endregion

export const failures = new Map<string, number>();

// #region failures
subscribe('nestjs-mcp-auth:completed', (message) => {
  const { outcome, messages } = message as CompletedEvent;
  const [call] = messages;
  // Only a name that the application declares: clients cannot add entries.
  if (outcome === 'ok' || !call?.isDeclared) return;
  const key = `${call.name} ${outcome}`;
  failures.set(key, (failures.get(key) ?? 0) + 1);
});
// #endregion
