/**
 * Runs until Ctrl+C. If a demo started this process, sends it the facts, and ends when the demo ends.
 *
 * @param facts for the demo; contains no token, since tokens are in files
 */
export function untilStopped(close: () => Promise<unknown>, facts: Record<string, unknown>): void {
  const stop = () => void close().finally(() => process.exit());
  process.once('SIGINT', stop).once('SIGTERM', stop);
  process.send?.(facts);
  process.once('disconnect', stop);
}
