import { parseUrl } from './parse-url.js';

/** RFC 6749 §3.3: printable ASCII except space, `"` and `\`. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** What is wrong with the identifier of a resource, and with the names of its scopes. */
export function identifierProblems(option: string, resource: string, scopes: readonly string[]): string[] {
  const problems: string[] = [];
  if (!parseUrl(resource)) problems.push(`${option}: "${resource}" must be an absolute URI`);
  else if (resource.includes('#')) problems.push(`${option}: "${resource}" has a fragment (RFC 8707 §2 forbids it)`);
  for (const scope of scopes) {
    if (!SCOPE_TOKEN.test(scope))
      problems.push(`${option}: "${scope}" of "${resource}" is not a valid scope (RFC 6749 §3.3)`);
  }
  return problems;
}

export function repetitions(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
