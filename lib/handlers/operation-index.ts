import type { Operation, OperationKind } from '../request/rpc-body.js';
import { isRecord } from '../core/record.js';
import type { UriPattern } from './uri-pattern.js';
import { NestTemplate, plainTemplate, sdkTemplate } from './uri-template.js';
import { exactKeys, nestKeys, readUri, type UriReadings } from './resource-uri.js';
import type { HandlerDeclaration } from './handler-declaration.js';

/** An operation with what is declared of it. */
export interface OperationEntry {
  readonly kind: OperationKind;
  /** Tool or prompt name, URI, or URI template. */
  readonly name: string;
  readonly declaration: HandlerDeclaration;
  /**
   * How it came to be known: from the options; from a handler whose MCP framework looks for templates before it looks
   * for a resource of that very URI, as `@rekog/mcp-nest` does; or from one whose framework does the opposite, as the
   * official SDK does.
   */
  readonly origin: 'options' | 'templates-first' | 'exact-first';
  /** Who reads the template, where that is not the official SDK: the bridge of `nestjs-mcp-auth/sdk`. */
  readonly syntax?: 'plain' | undefined;
}

/**
 * What a policy is asked with: the arguments as the message has them; or what the framework will hand to the handler, read
 * from the URI, in one or several readings; or nothing that can be known.
 */
export type Given = 'as-sent' | 'unknown' | readonly unknown[];

/** A declaration that an operation falls under. */
export interface FoundEntry {
  readonly entry: OperationEntry;
  readonly given: Given;
}

/** Where a name or URI belongs that nothing is declared for. The very same list each time. */
const NONE: readonly FoundEntry[] = [];

/** What a resource without variables is called with: by the bridge nothing. */
const NO_VARIABLES = {};

type Matcher = (readings: UriReadings) => Given | undefined;

interface Matching {
  readonly entry: OperationEntry;
  readonly match: Matcher;
}

/**
 * Finds what is declared for an operation, by its name or by the URI it is asked for. Names are looked up at the same
 * cost however many there are; of URI templates, each has to be tried.
 *
 * A URI is read as each of the frameworks reads it: a handler declares for its own framework, and options for all of them.
 */
export class OperationIndex {
  readonly #byName = new Map<OperationKind, Map<string, FoundEntry[]>>();
  readonly #exact = new Map<string, OperationEntry[]>();
  readonly #byNestKey = new Map<string, OperationEntry[]>();
  readonly #patterns: Matching[] = [];
  /** What is declared for any resource at all. */
  readonly #resources: readonly FoundEntry[];

  constructor(entries: readonly OperationEntry[]) {
    for (const entry of entries) {
      this.#addName(entry);
      if (isResource(entry)) this.#addUri(entry);
    }
    this.#resources = entries.filter(isResource).map((entry) => ({ entry, given: 'unknown' }));
  }

  /** Empty for an operation about which nothing is known. The very same list each time, but for a URI. */
  find(operation: Operation): readonly FoundEntry[] {
    const { kind, name } = operation;
    if (kind === 'resource') return this.#findUri(operation);
    const named = this.#byName.get(kind)?.get(name) ?? NONE;
    return kind === 'resource-template' && !operation.reachesHandler ? this.#findCompleted(operation, named) : named;
  }

  #addName(entry: OperationEntry): void {
    const ofKind = this.#byName.get(entry.kind) ?? new Map<string, FoundEntry[]>();
    this.#byName.set(entry.kind, ofKind);
    add(ofKind, entry.name, { entry, given: 'as-sent' });
  }

  #addUri(entry: OperationEntry): void {
    const { kind, name, origin } = entry;
    const nest = new NestTemplate(name);
    if (origin !== 'templates-first' && kind === 'resource') {
      for (const key of exactKeys(readUri(name) ?? { text: name, href: undefined })) add(this.#exact, key, entry);
    }
    if (origin !== 'exact-first' && kind === 'resource' && nest.isFixed) {
      for (const key of nestKeys(name)) add(this.#byNestKey, key, entry);
    }
    const matchers = [
      ...(origin !== 'exact-first' && !(kind === 'resource' && nest.isFixed) ? [nestMatcher(nest)] : []),
      ...(origin !== 'templates-first' && kind === 'resource-template' ? sdkMatchers(entry) : []),
    ];
    if (matchers.length > 0) this.#patterns.push({ entry, match: firstOf(matchers) });
  }

  /**
   * A URI can be meant for several resources, and for which of them, only the MCP framework knows in the end. Those it
   * may come to are all in the list, with what the options say. A URI that is not understood may be meant for any.
   */
  #findUri({ name, reachesHandler }: Operation): readonly FoundEntry[] {
    const uri = readUri(name);
    if (!uri) return this.#resources;
    const fixed = [
      ...unique(exactKeys(uri).flatMap((key) => this.#exact.get(key) ?? [])).map((entry) =>
        found(entry, [NO_VARIABLES]),
      ),
      ...unique(nestKeys(name).flatMap((key) => this.#byNestKey.get(key) ?? [])).map((entry) =>
        found(entry, [{ uri: name }]),
      ),
    ];
    const matching = this.#patterns.flatMap(({ entry, match }) => {
      const given = match(uri);
      return given === undefined ? [] : [found(entry, reachesHandler ? firstReading(given) : given)];
    });
    const all = [
      ...inOrder(fixed, matching, reachesHandler || uri.href === uri.text ? uri.href : undefined),
      ...[...fixed, ...matching].filter(({ entry }) => entry.origin === 'options'),
    ];
    return all.length === 0 && uri.href === undefined ? this.#resources : all;
  }

  /**
   * A completion names a template by its text. What options say about a template that is written in another way holds, too,
   * if both stand for the same URIs.
   */
  #findCompleted({ name, args }: Operation, named: readonly FoundEntry[]): readonly FoundEntry[] {
    const sample = readUri(name.replace(/\{[^{}]*\}/g, 'x'));
    if (!sample) return this.#resources;
    const others = this.#patterns.flatMap(({ entry, match }) => {
      const isNamed = entry.origin !== 'options' || named.some((one) => one.entry === entry);
      return isNamed || match(sample) === undefined ? [] : [found(entry, 'as-sent')];
    });
    return [...named.map(({ entry }) => found(entry, knowsVariables(entry, args) ? 'as-sent' : 'unknown')), ...others];
  }
}

/**
 * Those that the frameworks of handlers may come to. Each looks for a resource of that very URI and for templates: the
 * official SDK in this order, `@rekog/mcp-nest` in the opposite one.
 *
 * @param href by which the official SDK looks; undefined where an application may look by something else
 */
function inOrder(
  fixed: readonly FoundEntry[],
  matching: readonly FoundEntry[],
  href: string | undefined,
): FoundEntry[] {
  const of = (list: readonly FoundEntry[], origin: OperationEntry['origin']): FoundEntry[] =>
    list.filter(({ entry }) => entry.origin === origin);
  const exact = of(fixed, 'exact-first').filter(({ entry }) => entry.name === href);
  const exactFirst = exact.length > 0 ? exact : [...of(fixed, 'exact-first'), ...of(matching, 'exact-first')];
  const templates = of(matching, 'templates-first').filter(({ entry }) => entry.kind === 'resource-template');
  const templatesFirst =
    templates.length > 0 ? templates : [...of(fixed, 'templates-first'), ...of(matching, 'templates-first')];
  return [...exactFirst, ...templatesFirst];
}

function isResource({ kind }: OperationEntry): boolean {
  return kind === 'resource' || kind === 'resource-template';
}

function found(entry: OperationEntry, given: Given): FoundEntry {
  return { entry, given };
}

/** `@rekog/mcp-nest` hands the values to the handler decoded, and the URI as it was sent with them. */
function nestMatcher(template: NestTemplate): Matcher {
  return ({ text }) => {
    const matched = template.match(text);
    if (!matched) return undefined;
    return matched.variables ? [{ ...matched.variables, uri: text }] : 'unknown';
  };
}

/** The official SDK matches the URI in normal form; what an application does with the URI of a subscription is its own. */
function sdkMatchers({ name, origin, syntax }: OperationEntry): Matcher[] {
  const plain = syntax === 'plain' || origin === 'options' ? plainTemplate(name) : undefined;
  const patterns = [...(syntax === 'plain' && plain ? [] : [sdkTemplate(name)]), ...(plain ? [plain] : [])];
  return patterns.map((pattern) => (uri) => {
    const given = [uri.href, uri.href === uri.text ? undefined : uri.text].flatMap((reading) =>
      valuesIn(pattern, reading),
    );
    return given.length > 0 ? given : undefined;
  });
}

function valuesIn(pattern: UriPattern, reading: string | undefined): unknown[] {
  const values = reading === undefined ? undefined : pattern.match(reading);
  return values ? [values] : [];
}

function firstOf(matchers: readonly Matcher[]): Matcher {
  return (uri) => {
    for (const match of matchers) {
      const given = match(uri);
      if (given !== undefined) return given;
    }
    return undefined;
  };
}

/** A handler is called with what stands in the normal form; the reading of the text as sent is for who has none. */
function firstReading(given: Given): Given {
  return typeof given === 'string' ? given : given.slice(0, 1);
}

/** Whether all that the template has variables for is known, or being completed. */
function knowsVariables({ name }: OperationEntry, args: unknown): boolean {
  const given = isRecord(args) ? args : NO_VARIABLES;
  return sdkTemplate(name).names.every((variable) => Object.hasOwn(given, variable));
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}
