/** Parts that run only on request, because they take long. A quick run takes them in. */
const EXTRA = new Set(['memory', 'dpopMemory']);

/** Parts that another Node can run, and the names under which its figures are stored. */
export const ELSEWHERE = {
  imports: 'importsElsewhere',
  profile: 'profileElsewhere',
  throughput: 'throughputElsewhere',
};

/**
 * The parts that a run measures: with `only`, that one alone.
 *
 * @param {{ quick?: boolean, memory?: boolean, only?: string, node?: string }} flags of the command line
 * @param {readonly string[]} parts all that there are
 */
export function chosenParts({ quick, memory, only = memory ? 'memory' : undefined, node }, parts) {
  if (memory && only !== 'memory') throw new Error(`--memory is --only=memory: leave it out, or --only=${only}`);
  const possible = node === undefined ? parts : parts.filter((part) => Object.hasOwn(ELSEWHERE, part));
  if (only === undefined) return possible.filter((part) => !EXTRA.has(part) || quick);
  if (possible.includes(only)) return [only];
  throw new Error(`There is no part "${only}", only ${possible.join(', ')}`);
}
