import type { Operation, OperationKind } from '../request/rpc-body.js';
import type { ToolBehaviour } from '../core/tool-behaviour.js';
import { isRecord } from '../core/record.js';
import type { UriPattern } from './uri-pattern.js';
import { NestTemplate, plainTemplate, sdkTemplate } from './uri-template.js';
import { exactKeys, nestKeys, readUri, type UriReadings } from './resource-uri.js';
import type { HandlerDeclaration } from './handler-declaration.js';

/** An operation and its declaration. */
export interface OperationEntry {
  readonly kind: OperationKind;
  /** Tool or prompt name, URI, or URI template. */
  readonly name: string;
  readonly declaration: HandlerDeclaration;
  /**
   * Where the declaration comes from: `options` of the module; `templates-first`, a handler whose MCP framework looks for a
   * matching template before a resource with exactly that URI, as `@rekog/mcp-nest` does; or `exact-first`, a handler whose
   * framework looks in the opposite order, as the official SDK does.
   */
  readonly origin: 'options' | 'templates-first' | 'exact-first';
  /** `plain` for a template that the bridge of `nestjs-mcp-auth/sdk` matches itself; undefined if the framework matches it. */
  readonly syntax?: 'plain' | undefined;
  /** What the annotations of a tool say; undefined for other operations, and if they are unknown. */
  readonly behaviour?: ToolBehaviour | undefined;
}

/**
 * The arguments that a policy is asked with: `as-sent`, those of the message; a list, the variables that the framework may
 * read from the URI, one item for each reading; or `unknown`, if they cannot be determined.
 */
export type PolicyArguments = 'as-sent' | 'unknown' | readonly unknown[];

/** A declaration that applies to an operation, and the arguments for its policies. */
export interface AppliedDeclaration {
  readonly entry: OperationEntry;
  readonly policyArguments: PolicyArguments;
}

/** The declarations for an unknown name: the same list each time, since callers cache results by the list. */
const NONE: readonly AppliedDeclaration[] = [];

/** The variables that the bridge of `nestjs-mcp-auth/sdk` reads from the URI of a resource without a template. */
const NO_VARIABLES = {};

type Matcher = (readings: UriReadings) => PolicyArguments | undefined;

interface Matching {
  readonly entry: OperationEntry;
  readonly match: Matcher;
}

/**
 * Finds the declarations for an operation, by its name or by the requested URI. Looks up a name in constant time; tries each
 * URI template in turn.
 *
 * Reads a URI as the MCP frameworks do: the declaration of a handler applies to its own framework, that of the options to all.
 */
export class OperationIndex {
  readonly #byName = new Map<OperationKind, Map<string, AppliedDeclaration[]>>();
  readonly #exact = new Map<string, OperationEntry[]>();
  readonly #byNestKey = new Map<string, OperationEntry[]>();
  readonly #patterns: Matching[] = [];
  /** The declarations of all resources and templates. */
  readonly #resources: readonly AppliedDeclaration[];

  constructor(entries: readonly OperationEntry[]) {
    for (const entry of entries) {
      this.#addName(entry);
      if (isResource(entry)) this.#addUri(entry);
    }
    this.#resources = entries.filter(isResource).map((entry) => ({ entry, policyArguments: 'unknown' }));
  }

  /** The declarations for an operation; empty if there are none. Returns the same list each time, except for a URI. */
  find(operation: Operation): readonly AppliedDeclaration[] {
    const { kind, name } = operation;
    if (kind === 'resource') return this.#findUri(operation);
    const named = this.#byName.get(kind)?.get(name) ?? NONE;
    return kind === 'resource-template' && !operation.reachesHandler ? this.#findCompleted(operation, named) : named;
  }

  #addName(entry: OperationEntry): void {
    const ofKind = this.#byName.get(entry.kind) ?? new Map<string, AppliedDeclaration[]>();
    this.#byName.set(entry.kind, ofKind);
    add(ofKind, entry.name, { entry, policyArguments: 'as-sent' });
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
   * A URI can match several resources, and only the MCP framework knows which of them it will choose. The list holds all
   * candidates, and what the options declare. A URI that cannot be read may mean any resource.
   */
  #findUri({ name, reachesHandler }: Operation): readonly AppliedDeclaration[] {
    const uri = readUri(name);
    if (!uri) return this.#resources;
    const fixed = [
      ...unique(exactKeys(uri).flatMap((key) => this.#exact.get(key) ?? [])).map((entry) =>
        appliedDeclaration(entry, [NO_VARIABLES]),
      ),
      ...unique(nestKeys(name).flatMap((key) => this.#byNestKey.get(key) ?? [])).map((entry) =>
        appliedDeclaration(entry, [{ uri: name }]),
      ),
    ];
    const matching = this.#patterns.flatMap(({ entry, match }) => {
      const args = match(uri);
      return args === undefined ? [] : [appliedDeclaration(entry, reachesHandler ? firstReading(args) : args)];
    });
    const all = [
      ...candidatesOf(fixed, matching, reachesHandler || uri.href === uri.text ? uri.href : undefined),
      ...[...fixed, ...matching].filter(({ entry }) => entry.origin === 'options'),
    ];
    return all.length === 0 && uri.href === undefined ? this.#resources : all;
  }

  /**
   * A completion names a template by its text. What the options declare for another spelling of the template applies, too, if
   * both match the same URIs.
   */
  #findCompleted({ name, args }: Operation, named: readonly AppliedDeclaration[]): readonly AppliedDeclaration[] {
    const sample = readUri(name.replace(/\{[^{}]*\}/g, 'x'));
    if (!sample) return this.#resources;
    const others = this.#patterns.flatMap(({ entry, match }) => {
      const isNamed = entry.origin !== 'options' || named.some((one) => one.entry === entry);
      return isNamed || match(sample) === undefined ? [] : [appliedDeclaration(entry, 'as-sent')];
    });
    return [
      ...named.map(({ entry }) => appliedDeclaration(entry, knowsVariables(entry, args) ? 'as-sent' : 'unknown')),
      ...others,
    ];
  }
}

/**
 * The handlers that the MCP frameworks may choose. The official SDK first looks for a resource with exactly that URI, and
 * then for a matching template; `@rekog/mcp-nest` looks in the opposite order.
 *
 * @param href the URI by which the official SDK looks; undefined if an application may look by another spelling
 */
function candidatesOf(
  fixed: readonly AppliedDeclaration[],
  matching: readonly AppliedDeclaration[],
  href: string | undefined,
): AppliedDeclaration[] {
  const of = (list: readonly AppliedDeclaration[], origin: OperationEntry['origin']): AppliedDeclaration[] =>
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

function appliedDeclaration(entry: OperationEntry, policyArguments: PolicyArguments): AppliedDeclaration {
  return { entry, policyArguments };
}

/** `@rekog/mcp-nest` passes the decoded values to the handler, together with the URI as sent. */
function nestMatcher(template: NestTemplate): Matcher {
  return ({ text }) => {
    const matched = template.match(text);
    if (!matched) return undefined;
    return matched.variables ? [{ ...matched.variables, uri: text }] : 'unknown';
  };
}

/** The official SDK matches the URI in normal form. An application may match the URI of a subscription as sent, too. */
function sdkMatchers({ name, origin, syntax }: OperationEntry): Matcher[] {
  const plain = syntax === 'plain' || origin === 'options' ? plainTemplate(name) : undefined;
  const patterns = [...(syntax === 'plain' && plain ? [] : [sdkTemplate(name)]), ...(plain ? [plain] : [])];
  return patterns.map((pattern) => (uri) => {
    const readings = [uri.href, uri.href === uri.text ? undefined : uri.text].flatMap((spelling) =>
      valuesIn(pattern, spelling),
    );
    return readings.length > 0 ? readings : undefined;
  });
}

function valuesIn(pattern: UriPattern, spelling: string | undefined): unknown[] {
  const values = spelling === undefined ? undefined : pattern.match(spelling);
  return values ? [values] : [];
}

function firstOf(matchers: readonly Matcher[]): Matcher {
  return (uri) => {
    for (const match of matchers) {
      const args = match(uri);
      if (args !== undefined) return args;
    }
    return undefined;
  };
}

/** The arguments of an operation that reaches a handler: the framework passes the values of the first spelling that matches. */
function firstReading(args: PolicyArguments): PolicyArguments {
  return typeof args === 'string' ? args : args.slice(0, 1);
}

/** Whether the client names a value for each variable of the template, known or being completed. */
function knowsVariables({ name }: OperationEntry, args: unknown): boolean {
  const values = isRecord(args) ? args : NO_VARIABLES;
  return sdkTemplate(name).names.every((variable) => Object.hasOwn(values, variable));
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}
