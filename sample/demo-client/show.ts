import { Transcript } from './transcript.js';

/** Runs steps that check their results; the exit code says whether all results were as expected. */
export async function show(steps: (transcript: Transcript) => Promise<void>, deadlineSeconds = 60): Promise<void> {
  const startedAt = Date.now();
  setTimeout(() => {
    console.error(`\nNot done after ${deadlineSeconds} s.`);
    process.exit(1);
  }, deadlineSeconds * 1000).unref();

  try {
    await steps(new Transcript());
    console.log(`\nAll as expected, in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`);
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
