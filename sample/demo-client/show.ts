import { Transcript } from './transcript.js';

/** Shows something in steps that check what they see; the exit code says whether all of it was as expected. */
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
