/**
 * One challenge of a `WWW-Authenticate` header.
 * @see RFC 9110 §11.6.1
 */
export interface Challenge {
  /** As sent. Schemes are case-insensitive. */
  readonly scheme: string;
  /** Unquoted and unescaped values by lower-cased name. Has no prototype: a parameter may have any name. */
  readonly params: Readonly<Record<string, string>>;
  /** The token68 that some schemes send instead of parameters; otherwise absent. */
  readonly token68?: string;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68_ELEMENT = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const QUOTED_STRING = /"(?:[\t !\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*"/y;
const PARAM_AHEAD = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const SPACES = / +/y;

/** How a list of challenges is written: all of it without what may stand around, and what stands between two elements. */
interface ListForm {
  readonly content: RegExp;
  readonly comma: RegExp;
}

/** What senders must write (RFC 9110 §5.6.1.1). */
const SENT_LIST: ListForm = { content: /[^ \t](?:.*[^ \t])?/s, comma: /[ \t]*,[ \t]*/y };
/** What recipients must accept: also empty elements (RFC 9110 §5.6.1.2). */
const RECEIVED_LIST: ListForm = { content: /[^ \t,](?:.*[^ \t,])?/s, comma: /[ \t]*,[ \t,]*/y };

/**
 * Reads every challenge of one `WWW-Authenticate` header, or of several in order. Tests that use it see what a client
 * understands, instead of comparing substrings.
 *
 * Stricter than a client should be, because it judges a server: it also refuses empty list elements, which only
 * recipients must tolerate (RFC 9110 §5.6.1.2). Does NOT know any scheme: check the parameters of `Bearer`, and the
 * characters of their values, yourself.
 *
 * @param header One field value, or several; an empty array has no challenges
 * @throws SyntaxError if the value breaks the grammar or is empty, or a challenge repeats a parameter
 * @see RFC 9110 §11.6.1, §11.2, §5.6
 */
export function parseChallenges(header: string | readonly string[]): Challenge[] {
  return typeof header === 'string' ? parseField(header) : header.flatMap(parseField);
}

/**
 * Reads the challenges of a field as a client should, one after another: empty list elements do not matter. Of a malformed field,
 * returns the challenges before the mistake. What follows it could belong to any challenge.
 *
 * @param field One field value, or several that were joined with commas
 */
export function readChallenges(field: string): Challenge[] {
  const challenges: Challenge[] = [];
  try {
    for (const challenge of challengesIn(field, RECEIVED_LIST)) challenges.push(challenge);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return challenges;
}

function parseField(field: string): Challenge[] {
  return [...challengesIn(field, SENT_LIST)];
}

/** @throws SyntaxError at a mistake, after all challenges before it */
function* challengesIn(field: string, { content, comma }: ListForm): Generator<Challenge> {
  const cursor = new Cursor(content.exec(field)?.[0] ?? '', comma);
  yield parseChallenge(cursor);
  while (!cursor.atEnd) {
    cursor.expect(comma, 'a comma');
    yield parseChallenge(cursor);
  }
}

function parseChallenge(cursor: Cursor): Challenge {
  const scheme = cursor.expect(TOKEN, 'an authentication scheme');
  const params = Object.create(null) as Record<string, string>;
  if (cursor.take(SPACES) === undefined) return { scheme, params };

  const token68 = cursor.take(TOKEN68_ELEMENT);
  if (token68 !== undefined) return { scheme, params, token68 };

  // `Bearer , DPoP`: a space without a parameter after it.
  if (cursor.sees(cursor.comma)) return { scheme, params };

  parseParam(cursor, params);
  while (cursor.takeIfFollowedBy(cursor.comma, PARAM_AHEAD)) parseParam(cursor, params);
  return { scheme, params };
}

function parseParam(cursor: Cursor, params: Record<string, string>): void {
  const name = cursor.expect(TOKEN, 'a parameter name').toLowerCase();
  if (name in params) cursor.refuse(`the parameter ${name} only once in a challenge`);
  cursor.expect(EQUALS, '"=" after a parameter name');
  params[name] = parseValue(cursor);
}

function parseValue(cursor: Cursor): string {
  const quoted = cursor.take(QUOTED_STRING);
  if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\(.)/g, '$1');
  return cursor.expect(TOKEN, 'a token or a quoted string');
}

class Cursor {
  private position = 0;

  constructor(
    private readonly text: string,
    /** What stands between two elements of the list. */
    readonly comma: RegExp,
  ) {}

  get atEnd(): boolean {
    return this.position === this.text.length;
  }

  take(pattern: RegExp): string | undefined {
    const found = this.matchAt(pattern, this.position);
    if (found !== undefined) this.position += found.length;
    return found;
  }

  expect(pattern: RegExp, what: string): string {
    return this.take(pattern) ?? this.refuse(what);
  }

  sees(pattern: RegExp): boolean {
    return this.matchAt(pattern, this.position) !== undefined;
  }

  takeIfFollowedBy(pattern: RegExp, next: RegExp): boolean {
    const found = this.matchAt(pattern, this.position);
    if (found === undefined || this.matchAt(next, this.position + found.length) === undefined) return false;
    this.position += found.length;
    return true;
  }

  refuse(expected: string): never {
    throw new SyntaxError(
      `Malformed challenge: expected ${expected} at position ${this.position} of ${JSON.stringify(this.text)}`,
    );
  }

  private matchAt(pattern: RegExp, position: number): string | undefined {
    pattern.lastIndex = position;
    return pattern.exec(this.text)?.[0];
  }
}
