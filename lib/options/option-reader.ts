import { deepFreeze } from '../core/deep-freeze.js';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';

/** Reads one option: knows its type, its default, its checks, and its error messages. */
export type ReadOption<T = unknown> = (option: OptionReader) => T;

/** The reader of each option of an object, by name. Error messages list the names in this order. */
export type OptionReaders = Readonly<Record<string, ReadOption>>;

/** Requires exactly one reader for each member of a public type. */
export type ReadersOf<Options extends object> = { readonly [Name in keyof Required<Options>]: ReadOption };

/** The results of readers, by the name of the option. */
export type OptionsRead<Readers extends OptionReaders> = {
  readonly [Name in keyof Readers]: ReturnType<Readers[Name]>;
};

/** The findings so far, and the setting that every URL in the options depends on. */
interface ReadingContext {
  readonly problems: ConfigProblem[];
  readonly warnings: string[];
  readonly allowInsecureHttp: boolean;
}

/** A problem with an option. Without `seen`, the value is shown: describe it in `seen` if it may be a secret. */
type Refusal = Omit<ConfigProblem, 'option' | 'seen'> & Partial<Pick<ConfigProblem, 'seen'>>;

/**
 * One place in the options: its path, as error messages name it, and its value. Every method returns a usable value even
 * after it reports a problem, so that one error can list every problem.
 */
export class OptionReader {
  readonly #context: ReadingContext;

  private constructor(
    readonly path: string,
    readonly value: unknown,
    context: ReadingContext,
  ) {
    this.#context = context;
  }

  /** A reader of this value, without findings. */
  static of(value: unknown, path = '', allowInsecureHttp = false): OptionReader {
    return new OptionReader(path, value, { problems: [], warnings: [], allowInsecureHttp });
  }

  get problems(): readonly ConfigProblem[] {
    return this.#context.problems;
  }

  get warnings(): readonly string[] {
    return this.#context.warnings;
  }

  /** Whether plain http URLs are accepted beyond loopback. */
  get allowsInsecureHttp(): boolean {
    return this.#context.allowInsecureHttp;
  }

  /** Whether there is a value; null and false are values. */
  get isGiven(): boolean {
    return this.value !== undefined;
  }

  /** The member with this name; it has no value if this is not an object. */
  at(name: string): OptionReader {
    return this.#member(name, this.path === '' ? name : `${this.path}.${name}`);
  }

  /** The member with a name that the user chose, such as a scope or the name of a tool. */
  atKey(key: string): OptionReader {
    return this.#member(key, `${this.path}["${key}"]`);
  }

  /** The entries of a list; empty if this is not a list. A hole (`[, 'a']`) is an undefined entry like any other. */
  entries(): OptionReader[] {
    return listOf(this.value).map((value, index) => new OptionReader(`${this.path}[${index}]`, value, this.#context));
  }

  /** The same place with another value, such as a normalized one. */
  withValue(value: unknown): OptionReader {
    return new OptionReader(this.path, value, this.#context);
  }

  /** The same place with a text as a list of one. */
  asList(): OptionReader {
    return typeof this.value === 'string' ? this.withValue([this.value]) : this;
  }

  /**
   * Reads an object with these options. Each reader is called, so absent options get their defaults.
   *
   * @param shorthand the option that is set by a value that is not an object.
   */
  section<Readers extends OptionReaders>(readers: Readers, shorthand?: keyof Readers): OptionsRead<Readers> {
    if (shorthand !== undefined && !isRecord(this.value)) {
      return readEach(readers, (name) => (name === shorthand ? this : this.at(name)));
    }
    if (this.#isObject()) this.refuseUnknown(Object.keys(readers));
    return this.members(readers);
  }

  /** Reads these members, and ignores all others. */
  members<Readers extends OptionReaders>(readers: Readers): OptionsRead<Readers> {
    return readEach(readers, (name) => this.at(name));
  }

  /** The names of members that the user chose. */
  keys(): string[] {
    return this.#isObject() ? Object.keys(this.value as object) : [];
  }

  /** Refuses unknown options, so that a misspelt one is not ignored. Does not show the value: it may be a secret. */
  refuseUnknown(known: readonly string[]): void {
    const write = `Known are ${known.join(', ')}`;
    for (const name of isRecord(this.value) ? Object.keys(this.value) : []) {
      const option = this.at(name);
      if (option.isGiven && !known.includes(name)) {
        option.refuse({ seen: 'a value', why: 'there is no such option here', write });
      }
    }
  }

  /** Non-empty text. */
  text(): string | undefined {
    const refusal = { why: 'must be a non-empty string', write: 'Write a non-empty string, or leave it out' };
    return this.#valueIf(isText, undefined, refusal);
  }

  /** Required non-empty text; empty after a problem. */
  requiredText(write: string, whyRequired = 'it is required'): string {
    if (isText(this.value)) return this.value;
    this.refuse({ why: this.isGiven ? 'must be a non-empty string' : whyRequired, write });
    return '';
  }

  /** A non-empty list of non-empty texts; empty after a problem. */
  texts(write: string): string[] | undefined {
    if (!this.isGiven) return undefined;
    const texts = listOf(this.value);
    if (texts.length > 0 && texts.every(isText)) return texts;
    this.refuse({ why: 'must be a list of non-empty strings', write });
    return [];
  }

  flag(fallback: boolean): boolean {
    return this.#valueIf(isBoolean, fallback, { why: 'must be true or false', write: 'Write true or false' });
  }

  /** A flag that weakens the protection: off by default, and logged as a warning at every start if it is on. */
  riskyFlag(consequence: string): boolean {
    const isOn = this.flag(false);
    if (isOn) this.warn(`is on: ${consequence}`);
    return isOn;
  }

  /** One of these values. The first is the default. */
  choice<const T>(values: readonly [T, ...T[]]): T {
    const names = values.map((value) => JSON.stringify(value));
    const write = `Write ${[names.slice(0, -1).join(', '), ...names.slice(-1)].join(' or ')}`;
    const isOneOfThem = (value: unknown): value is T => values.some((one) => one === value);
    return this.#valueIf(isOneOfThem, values[0], { why: 'is not a known value', write });
  }

  /** A whole number. */
  number(fallback: number, least: number, most: number, write = 'Write a number, such as'): number {
    const isInRange = (value: unknown): value is number =>
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
    const why = `must be a whole number from ${least} to ${most}`;
    return this.#valueIf(isInRange, fallback, { why, write: `${write} ${fallback}` });
  }

  /** A whole number of seconds. */
  seconds(fallback: number, least: number, most: number): number {
    return this.number(fallback, least, most, 'Write seconds, such as');
  }

  /** A function. Its parameters and result cannot be checked here. */
  function<T>(write: string): T | undefined {
    const isFunction = (value: unknown): value is T => typeof value === 'function';
    return this.#valueIf(isFunction, undefined, { why: 'must be a function', write });
  }

  /** A copy of a value that will be published or used as JSON; undefined after a problem. */
  json(): unknown {
    const text = jsonOf(this.value);
    if (text !== undefined) return JSON.parse(text) as unknown;
    this.refuse({ why: 'JSON cannot say it', write: 'Write text, numbers, lists and objects only' });
    return undefined;
  }

  refuse({ seen = showValue(this.value), why, write }: Refusal): void {
    const option = this.path === '' ? 'options' : this.path;
    this.#context.problems.push({ option, seen, why, write });
  }

  /**
   * Warns of a value that is accepted, but weakens the protection or is not used as it was written. The warning begins with
   * the path.
   */
  warn(text: string): void {
    this.#context.warnings.push(`${this.path} ${text}`);
  }

  #member(name: string, path: string): OptionReader {
    return new OptionReader(path, isRecord(this.value) ? this.value[name] : undefined, this.#context);
  }

  /** Whether this is an object. Reports any other value. */
  #isObject(): boolean {
    if (this.isGiven && !isRecord(this.value)) {
      this.refuse({ why: 'must be an object', write: 'Write an object, or leave it out' });
    }
    return isRecord(this.value);
  }

  #valueIf<T, F>(isRight: (value: unknown) => value is T, fallback: F, refusal: Refusal): T | F {
    if (isRight(this.value)) return this.value;
    if (this.isGiven) this.refuse(refusal);
    return fallback;
  }
}

/**
 * Reads a whole value. The result is frozen.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readWhole<T>(option: OptionReader, read: ReadOption<T>): T {
  const result = read(option);
  if (option.problems.length > 0) throw new McpAuthConfigError(option.problems);
  return deepFreeze(result);
}

/** Makes a reader return undefined for an absent option. */
export function optional<T>(read: ReadOption<T>): ReadOption<T | undefined> {
  return (option) => (option.isGiven ? read(option) : undefined);
}

function readEach<Readers extends OptionReaders>(
  readers: Readers,
  optionOf: (name: string) => OptionReader,
): OptionsRead<Readers> {
  const read = Object.entries(readers).map(([name, readOption]) => [name, readOption(optionOf(name))] as const);
  return Object.fromEntries(read) as OptionsRead<Readers>;
}

/** A copy of the list; empty for any other value. */
function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? [...(value as unknown[])] : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** The JSON text; undefined for functions, symbols, bigints, and objects that contain themselves. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
