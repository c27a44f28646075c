/** Far more than is shown. Longer text would only cost time. */
const LONGEST_LOOKED_AT = 2_000;

/**
 * A value for an error message: shortened, on one line, and without possible secrets (members of objects, user name and
 * password of a URL).
 */
export function showValue(value: unknown): string {
  return showText(Array.isArray(value) ? `[${value.map(showOne).join(',')}]` : showOne(value));
}

/** The same for text that is part of a sentence, without quotes. */
export function showText(text: string): string {
  const safe = printable(withoutUsers(text.slice(0, LONGEST_LOOKED_AT), text.length > LONGEST_LOOKED_AT));
  return safe.length > 120 ? `${safe.slice(0, 120)}…` : safe;
}

/** Removes user names and passwords of URLs; where the text was cut, also what may be the beginning of one. */
function withoutUsers(text: string, isCut: boolean): string {
  const whole = text.replace(/\/\/[^\s"]*@/g, '//…@');
  return isCut ? whole.replace(/\/\/[^\s"@]*$/, '//…') : whole;
}

/**
 * Escapes control and formatting characters: the text cannot break lines of a log or control a terminal. Does NOT
 * shorten it.
 */
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

/**
 * Escapes a character that JSON leaves as it is, but that a log or a terminal may read as a line break, a command or a
 * change of text direction.
 */
function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** Observed values by name, as text that is safe in a log line: see {@link quoted}. */
export type Observed = Readonly<Record<string, string>>;

export const NOTHING_OBSERVED: Observed = Object.freeze({});

/** Number of list members that are shown; only the number of the others is given. */
const MAX_MEMBERS = 3;

/** Longest text that is shown, in characters. */
const MAX_LENGTH = 100;

/** Text of this library, which needs no quotes. */
export class Plain {
  constructor(readonly text: string) {}
}

/** The type of a JSON value, for lines that must not show the value. */
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

/** Quotes every member. Leaves out undefined ones. */
export function quotedAll(values: Readonly<Record<string, unknown>>): Observed {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(present.map(([name, value]) => [name, quoted(value)])));
}

/**
 * A foreign value for the log: shortened, and without anything that looks like a token. Text is quoted; quotes, line
 * breaks and other control characters in it are escaped, so it cannot imitate another part of the line or another line.
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
  // Escaping made the text longer, so it was cut again, with its closing quote.
  return text.endsWith('…') ? `${text}"` : text;
}

/** Removes everything that looks like a JWT or the beginning of one: clients send tokens in unexpected places. */
export function redactTokens(text: string): string {
  return text.replaceAll(/eyJ[\w-]{5,}(?:\.[\w-]*)*/g, 'eyJ…');
}

/**
 * Removes the token, and its parts that are too long to occur by chance. Errors of the application may contain the
 * token.
 */
export function redactToken(text: string, token: string): string {
  const secrets = [
    token,
    encodeURIComponent(Buffer.from(token).toString()),
    ...token.split('.').filter((part) => part.length >= 8),
  ];
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

/** Longest text of the application that a client gets, in characters. */
const MAX_MESSAGE_LENGTH = 200;

/**
 * Text of the application for the user of a client: on one line, shortened, without control characters and without
 * anything that looks like a token. Empty for text without visible characters.
 */
export function messageForClient(text: string): string {
  const line = redactTokens(text.slice(0, LONGEST_LOOKED_AT)).replace(/\s+/g, ' ').trim();
  const characters = Array.from(printable(line));
  const isLong = characters.length > MAX_MESSAGE_LENGTH;
  return isLong ? `${characters.slice(0, MAX_MESSAGE_LENGTH - 1).join('')}…` : characters.join('');
}

/**
 * Describes an error on one line, without its cause, and without what looks like a token. The application may throw any value,
 * with any text of a client in it.
 */
export function describeError(error: unknown): string {
  try {
    if (!(error instanceof Error)) return redactTokens(printable(String(error)));
    return redactTokens(printable(error.name === 'Error' ? String(error.message) : `${error.name}: ${error.message}`));
  } catch {
    return 'an error that cannot be shown';
  }
}
