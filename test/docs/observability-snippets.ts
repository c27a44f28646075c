import { subscribe } from 'node:diagnostics_channel';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { McpAuthService, type EventArgumentsContext, type McpAuthEvent } from 'nestjs-mcp-auth';

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
subscribe('nestjs-mcp-auth:refused', (message) => {
  const { reason } = message as Extract<McpAuthEvent, { type: 'refused' }>;
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
});
// #endregion

// #region arguments
/** Tells which note a call is about, and how long its text is. */
export function redactNote({ name, args }: EventArgumentsContext) {
  if (name !== 'write-note') return undefined;
  const { noteId, text } = args as { noteId?: unknown; text?: unknown };
  return { noteId, textLength: String(text ?? '').length };
}
// McpAuthModule.forRoot({ eventArguments: redactNote, … })
// #endregion
