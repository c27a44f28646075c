/**
 * Writes a line to the log of the application. What its logger throws is dropped: it must neither change the answer to a
 * request, nor pass for a failure of whatever the line is about, nor end the process where nobody waits.
 */
export function writeLine<Level extends string>(
  logger: Readonly<Record<Level, (line: string) => void>>,
  level: Level,
  line: string,
): void {
  try {
    logger[level](line);
  } catch {
    // There is nobody left to tell.
  }
}
