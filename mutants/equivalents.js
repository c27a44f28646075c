/** The mutants that no test can tell from the code as it is, with the reasons, from `equivalents.json`. */
import { readFileSync } from 'node:fs';

export const EQUIVALENTS = JSON.parse(readFileSync(new URL('equivalents.json', import.meta.url), 'utf8'));

/** The entry for a mutant; undefined if it has none. */
export function equivalentOf(mutant) {
  return EQUIVALENTS.find((one) => isSame(one, mutant));
}

function isSame({ file, context, original, replacement }, mutant) {
  return (
    file === mutant.file &&
    original === mutant.original &&
    replacement === mutant.replacement &&
    (context === undefined || context === mutant.context)
  );
}
