/** Far more than is shown; what follows it would only cost time. */
const LONGEST_LOOKED_AT = 2_000;

/**
 * A value for an error message: on one line, shortened, and without what may be a secret: members of objects, and the
 * user name and password of a URL.
 */
export function showValue(value: unknown): string {
  return showText(Array.isArray(value) ? `[${value.map(showOne).join(',')}]` : showOne(value));
}

/** The same for text that is part of a sentence, and so stands in no quotes. */
export function showText(text: string): string {
  const safe = printable(text.slice(0, LONGEST_LOOKED_AT).replace(/\/\/[^\s"]*@/g, '//…@'));
  return safe.length > 120 ? `${safe.slice(0, 120)}…` : safe;
}

/** Text of any length that cannot do anything to a log or a terminal but be read. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
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
