import { VARIABLES } from '../options/variables.js';
import { layoutOf } from './layout.js';

/**
 * Appends the variables of this library that an example of the environment does not name yet, each with a comment. Writes
 * variables without a value as comments, with an example.
 */
export function addToEnvironmentExample(text: string, values: Readonly<Record<string, string>>): string {
  const missing = VARIABLES.filter(({ name }) => !new RegExp(`^[#\\s]*(?:export\\s+)?${name}\\s*=`, 'm').test(text));
  if (missing.length === 0) return text;
  const { lineEnd } = layoutOf(text);
  const entries = missing.map(({ name, purpose, example }) => {
    const value = values[name];
    return [`# ${purpose}`, value === undefined ? `# ${name}=${example}` : `${name}=${value}`, ''].join(lineEnd);
  });
  const separator = text === '' ? '' : text.endsWith('\n') ? lineEnd : lineEnd + lineEnd;
  return text + separator + entries.join(lineEnd);
}
