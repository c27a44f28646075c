/**
 * A value for an error message: on one line, shortened, and without what may be a secret: members of objects, and the
 * user name and password of a URL.
 */
export function showValue(value: unknown): string {
  const text = Array.isArray(value) ? `[${value.map(showOne).join(',')}]` : showOne(value);
  const safe = text.replace(/\/\/[^\s"]*@/g, '//…@').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
  return safe.length > 120 ? `${safe.slice(0, 120)}…` : safe;
}

function showOne(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'function':
      return 'a function';
    case 'string':
      return JSON.stringify(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    default:
      return String(value);
  }
}

/** What JSON leaves as it is, and a log or a terminal may take for a line break, a command or another direction of text. */
function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
