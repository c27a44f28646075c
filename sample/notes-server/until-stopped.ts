/**
 * Goes on until Ctrl+C. A demo that started this process is told what it has to know, and when it ends, this ends.
 *
 * @param facts for the demo; no token, which has a file for itself
 */
export function untilStopped(close: () => Promise<unknown>, facts: Record<string, unknown>): void {
  const stop = () => void close().finally(() => process.exit());
  process.once('SIGINT', stop).once('SIGTERM', stop);
  process.send?.(facts);
  process.once('disconnect', stop);
}
