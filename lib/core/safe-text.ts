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

/** What was found, by name, as text that can stand in a line of a log: see {@link quoted}. */
export type Observed = Readonly<Record<string, string>>;

export const NOTHING_OBSERVED: Observed = Object.freeze({});

/** Members of a list that are shown; of the others, how many there are. */
const MAX_MEMBERS = 3;

/** Longest text that is shown, in characters. */
const MAX_LENGTH = 100;

/** A text of this library itself, which needs no quotes. */
export class Plain {
  constructor(readonly text: string) {}
}

/** Of which type a value of JSON is, for a line that must not show the value. */
export function typeOf(value: unknown): Plain {
  if (value === null) return new Plain('null');
  if (Array.isArray(value)) return new Plain('a list');
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    boolean: 'true or false',
    object: 'an object',
  };
  return new Plain(names[typeof value] ?? 'of no type of JSON');
}

/** Members without a value are left out. */
export function quotedAll(values: Readonly<Record<string, unknown>>): Observed {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(present.map(([name, value]) => [name, quoted(value)])));
}

/**
 * A value that somebody else wrote, for the log: text in quotes, in which no quote, line break or other control
 * character is left as it is, so that it cannot pass for a part of the line or for another; shortened; and without
 * anything that looks like a token.
 */
export function quoted(value: unknown): string {
  if (!Array.isArray(value)) return shownOne(value);
  const members = value.slice(0, MAX_MEMBERS).map(shownOne);
  const others = value.length - members.length;
  return `[${members.join(', ')}${others > 0 ? ` and ${others} more` : ''}]`;
}

function shownOne(value: unknown): string {
  if (value instanceof Plain) return value.text;
  if (typeof value !== 'string') return showValue(value);
  const short = redactTokens(value.slice(0, MAX_LENGTH));
  const text = showValue(value.length > MAX_LENGTH ? `${short}…` : short);
  // What had to be escaped at length was cut again, and with it the closing quote.
  return text.endsWith('…') ? `${text}"` : text;
}

/** Without what looks like a JWT, or like the beginning of one: clients put their tokens in the oddest places. */
export function redactTokens(text: string): string {
  return text.replaceAll(/eyJ[\w-]{5,}(?:\.[\w-]*)*/g, 'eyJ…');
}

/** Without the token, and without the parts of it that are long enough not to stand there by chance. The application may put into its errors what it likes. */
export function redactToken(text: string, token: string): string {
  const secrets = [
    token,
    encodeURIComponent(Buffer.from(token).toString()),
    ...token.split('.').filter((part) => part.length >= 8),
  ];
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

/** What was thrown in one line, without its cause. The application may throw anything, and put into it what clients sent. */
export function describeError(error: unknown): string {
  try {
    if (!(error instanceof Error)) return printable(String(error));
    return printable(error.name === 'Error' ? String(error.message) : `${error.name}: ${error.message}`);
  } catch {
    return 'what was thrown cannot be shown';
  }
}
