import { showValue } from './show-value.js';

/** What was found, by name, as text that can stand in a line of a log: see {@link shown}. */
export type Seen = Readonly<Record<string, string>>;

export const NOTHING_SEEN: Seen = Object.freeze({});

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
  const names: Readonly<Record<string, string>> = { string: 'text', number: 'a number', boolean: 'true or false', object: 'an object' };
  return new Plain(names[typeof value] ?? 'of no type of JSON');
}

/** Members without a value are left out. */
export function seenAs(values: Readonly<Record<string, unknown>>): Seen {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(present.map(([name, value]) => [name, shown(value)])));
}

/**
 * A value that somebody else wrote, for the log: text in quotes, in which no quote, line break or other control
 * character is left as it is, so that it cannot pass for a part of the line or for another; shortened; and without
 * anything that looks like a token.
 */
export function shown(value: unknown): string {
  if (!Array.isArray(value)) return shownOne(value);
  const members = value.slice(0, MAX_MEMBERS).map(shownOne);
  const others = value.length - members.length;
  return `[${members.join(', ')}${others > 0 ? ` and ${others} more` : ''}]`;
}

function shownOne(value: unknown): string {
  if (value instanceof Plain) return value.text;
  if (typeof value !== 'string') return showValue(value);
  const short = withoutTokens(value.slice(0, MAX_LENGTH));
  const text = showValue(value.length > MAX_LENGTH ? `${short}…` : short);
  // What had to be escaped at length was cut again, and with it the closing quote.
  return text.endsWith('…') ? `${text}"` : text;
}

/** Without what looks like a JWT, or like the beginning of one: clients put their tokens in the oddest places. */
export function withoutTokens(text: string): string {
  return text.replaceAll(/eyJ[\w-]{5,}(?:\.[\w-]*)*/g, 'eyJ…');
}
