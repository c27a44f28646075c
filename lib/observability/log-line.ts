/**
 * Writes a line to the log of the application. Drops an error of the logger: it must neither change the answer to a
 * request, nor look like a failure of the code that logs, nor end the process as an unhandled rejection.
 */
export function writeLine<Level extends string>(
  logger: Readonly<Record<Level, (line: string) => void>>,
  level: Level,
  line: string,
): void {
  try {
    logger[level](line);
  } catch {
    // There is no other place to report it.
  }
}
