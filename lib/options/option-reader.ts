import { deepFreeze } from '../core/deep-freeze.js';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';

/** Reads one option: knows its type, its default, its check, and the words for what is wrong with it. */
export type ReadOption<T = unknown> = (option: OptionReader) => T;

/** How each option of an object is read, by name. Error messages list the names in this order. */
export type OptionReaders = Readonly<Record<string, ReadOption>>;

/** Holds readers to a public type: one for each of its members, and none besides. */
export type ReadersOf<Options extends object> = { readonly [Name in keyof Required<Options>]: ReadOption };

/** What readers return, by the name of the option. */
export type OptionsRead<Readers extends OptionReaders> = {
  readonly [Name in keyof Readers]: ReturnType<Readers[Name]>;
};

/** What reading the options found, and the one setting that every URL in them depends on. */
interface ReadingContext {
  readonly problems: ConfigProblem[];
  readonly warnings: string[];
  readonly allowInsecureHttp: boolean;
}

/** What is wrong. What was seen is described where the value may be a secret; without a description, it is shown. */
type Refusal = Omit<ConfigProblem, 'option' | 'seen'> & Partial<Pick<ConfigProblem, 'seen'>>;

/**
 * One place in the options: its path, as error messages name it, and the value that stands there. Every method returns
 * something usable even where it reports a problem, so that reading goes on and finds the other problems too.
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

  /** A value to be read from the beginning: nothing has been found yet. */
  static of(value: unknown, path = '', allowInsecureHttp = false): OptionReader {
    return new OptionReader(path, value, { problems: [], warnings: [], allowInsecureHttp });
  }

  get problems(): readonly ConfigProblem[] {
    return this.#context.problems;
  }

  get warnings(): readonly string[] {
    return this.#context.warnings;
  }

  /** Whether URLs may be plain http beyond loopback. */
  get allowsInsecureHttp(): boolean {
    return this.#context.allowInsecureHttp;
  }

  /** Whether something was written here: null and false are something. */
  get isGiven(): boolean {
    return this.value !== undefined;
  }

  /** A member, by its name; nothing is given there where this is no object. */
  at(name: string): OptionReader {
    return this.#member(name, this.path === '' ? name : `${this.path}.${name}`);
  }

  /** The same for a member whose name is the user's choice, such as a scope or the name of a tool. */
  atKey(key: string): OptionReader {
    return this.#member(key, `${this.path}["${key}"]`);
  }

  /** The entries of a list; a hole (`[, 'a']`) is an undefined entry like any other. None where this is no list. */
  entries(): OptionReader[] {
    return listOf(this.value).map((value, index) => new OptionReader(`${this.path}[${index}]`, value, this.#context));
  }

  /** The same place with another value, such as one that stands for what was written. */
  withValue(value: unknown): OptionReader {
    return new OptionReader(this.path, value, this.#context);
  }

  /** A text stands for a list of it. */
  asList(): OptionReader {
    return typeof this.value === 'string' ? this.withValue([this.value]) : this;
  }

  /**
   * An object with these options. Each reader is called, so that an option that is absent gets its default.
   *
   * @param shorthand the option that a value stands for which is no object.
   */
  section<Readers extends OptionReaders>(readers: Readers, shorthand?: keyof Readers): OptionsRead<Readers> {
    if (shorthand !== undefined && !isRecord(this.value)) {
      return readEach(readers, (name) => (name === shorthand ? this : this.at(name)));
    }
    if (this.#isObject()) this.refuseUnknown(Object.keys(readers));
    return this.members(readers);
  }

  /** The same without a look at what else is there. */
  members<Readers extends OptionReaders>(readers: Readers): OptionsRead<Readers> {
    return readEach(readers, (name) => this.at(name));
  }

  /** The names of the members, where they are the user's choice. */
  keys(): string[] {
    return this.#isObject() ? Object.keys(this.value as object) : [];
  }

  /** A misspelt option must not silently be no option. What it holds is not shown: it may be a secret. */
  refuseUnknown(known: readonly string[]): void {
    const write = `Known are ${known.join(', ')}`;
    for (const name of isRecord(this.value) ? Object.keys(this.value) : []) {
      const option = this.at(name);
      if (option.isGiven && !known.includes(name)) {
        option.refuse({ seen: 'a value', why: 'there is no such option here', write });
      }
    }
  }

  /** Text that is not empty. */
  text(): string | undefined {
    const refusal = { why: 'must be a non-empty string', write: 'Write a non-empty string, or leave it out' };
    return this.#valueIf(isText, undefined, refusal);
  }

  /** Text that cannot be left out; empty where there is none. */
  requiredText(write: string, whyRequired = 'it is required'): string {
    if (isText(this.value)) return this.value;
    this.refuse({ why: this.isGiven ? 'must be a non-empty string' : whyRequired, write });
    return '';
  }

  /** A list of texts that are not empty, which is not empty itself; empty after a problem. */
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

  /** A flag that weakens the protection: off by default, and a warning at every start where it is on. */
  riskyFlag(consequence: string): boolean {
    const isOn = this.flag(false);
    if (isOn) this.warn(`is on: ${consequence}`);
    return isOn;
  }

  /** One of a few values, of which the first is the default. */
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

  /** A function, whose parameters and result cannot be checked here. */
  function<T>(write: string): T | undefined {
    const isFunction = (value: unknown): value is T => typeof value === 'function';
    return this.#valueIf(isFunction, undefined, { why: 'must be a function', write });
  }

  /** A copy of what will be published or used as JSON; undefined after a problem. */
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

  /** For what is accepted, but weakens the protection or is not used as it was written. The path goes before the text. */
  warn(text: string): void {
    this.#context.warnings.push(`${this.path} ${text}`);
  }

  #member(name: string, path: string): OptionReader {
    return new OptionReader(path, isRecord(this.value) ? this.value[name] : undefined, this.#context);
  }

  /** Reports a value that is something else. */
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
 * Reads a value from beginning to end. The result is frozen.
 *
 * @throws {McpAuthConfigError} listing every problem.
 */
export function readWhole<T>(option: OptionReader, read: ReadOption<T>): T {
  const result = read(option);
  if (option.problems.length > 0) throw new McpAuthConfigError(option.problems);
  return deepFreeze(result);
}

/** Reads an option that has no default: undefined where it is absent. */
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

/** A copy; empty for what is no list. */
function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? [...(value as unknown[])] : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** Undefined for what JSON cannot say: functions, symbols, bigints, and objects that contain themselves. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
