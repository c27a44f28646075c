import type { LoggerService } from '@nestjs/common';

export interface LogLine {
  readonly level: string;
  readonly text: string;
}

/** A logger that keeps every line with its level. */
export function recorder(log: LogLine[]): LoggerService {
  const write =
    (level: string) =>
    (message: unknown): void =>
      void log.push({ level, text: String(message) });
  return {
    log: write('log'),
    warn: write('warn'),
    error: write('error'),
    debug: write('debug'),
    verbose: write('verbose'),
    fatal: write('fatal'),
  };
}
