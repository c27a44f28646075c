/** How many of the tests that reach a mutant are kept, of a file of tests. */
const KEPT = 300;

/**
 * Which mutants the tests of a file reach: for each, the tests to try, those first that reach the fewest others; and those
 * that run only while the files load. A mutant in `beforeAll` is reached by every test of the block.
 */
export function reachedBy(tests, { perTest }, atLoad) {
  const runnable = tests.all.map((_test, index) => index).filter((index) => tests.canRun(index));
  const reachedByTest = new Map(runnable.map((index) => [index, idsReached(tests, perTest, index)]));
  const byFewest = runnable.toSorted((one, other) => reachedByTest.get(one).size - reachedByTest.get(other).size);
  const reached = new Map();
  for (const index of byFewest) {
    for (const id of reachedByTest.get(index)) {
      if (!reached.has(id)) reached.set(id, []);
      reached.get(id).push(index);
    }
  }
  return {
    tests: tests.all.map(({ duration }) => Math.round(duration ?? 0)),
    reached: Object.fromEntries([...reached].map(([id, indexes]) => [id, spread(indexes)])),
    counts: Object.fromEntries([...reached].map(([id, indexes]) => [id, indexes.length])),
    atLoad: atLoad.filter((id) => !reached.has(id)),
  };
}

function idsReached(tests, perTest, index) {
  const blocks = tests.blockIdsAround(index).map((block) => `in ${block}`);
  return new Set([String(index), ...blocks].flatMap((id) => Object.keys(perTest[id] ?? {})));
}

/** Half of those kept are the first; the others lie evenly over the rest, so that every kind of test is among them. */
function spread(indexes) {
  if (indexes.length <= KEPT) return indexes;
  const first = indexes.slice(0, KEPT / 2);
  const rest = indexes.slice(KEPT / 2);
  return [...first, ...first.map((_index, at) => rest[Math.floor((at * rest.length) / first.length)])];
}
