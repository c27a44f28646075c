import type { Operation, OperationKind } from './core/operation.js';
import { isUriTemplate, templateMatcher, uriKeys } from './core/uri.js';
import type { HandlerPolicy } from './mcp-auth.policy.js';

/** An operation with the policy it has. */
export interface OperationEntry {
  readonly kind: OperationKind;
  /** Tool or prompt name, URI, or URI template. */
  readonly name: string;
  readonly policy: HandlerPolicy;
  /**
   * How it came to be known: from the options; from a handler whose MCP framework looks for templates before it looks
   * for a resource of that very URI; or from one whose framework does the opposite.
   */
  readonly origin: 'options' | 'templates-first' | 'exact-first';
}

const NONE: readonly OperationEntry[] = [];

/**
 * Finds what is declared for an operation, by its name or by the URI it is asked for. Names are looked up at the same
 * cost however many there are; of URI templates, each has to be tried.
 */
export class OperationIndex {
  readonly #byName = new Map<OperationKind, Map<string, OperationEntry[]>>();
  readonly #byUri = new Map<string, OperationEntry[]>();
  readonly #templates: { readonly entry: OperationEntry; readonly matches: (uri: string) => boolean }[] = [];

  constructor(entries: readonly OperationEntry[]) {
    for (const entry of entries) {
      const ofKind = this.#byName.get(entry.kind) ?? new Map<string, OperationEntry[]>();
      this.#byName.set(entry.kind, ofKind);
      add(ofKind, entry.name, entry);
      if (entry.kind !== 'resource' && entry.kind !== 'resource-template') continue;
      if (isUriTemplate(entry.name)) this.#templates.push({ entry, matches: templateMatcher(entry.name) });
      else for (const key of uriKeys(entry.name)) add(this.#byUri, key, entry);
    }
  }

  /** Empty for an operation about which nothing is known. The very same list each time, but for a URI. */
  find({ kind, name }: Pick<Operation, 'kind' | 'name'>): readonly OperationEntry[] {
    return kind === 'resource' ? this.#findUri(name) : (this.#byName.get(kind)?.get(name) ?? NONE);
  }

  /**
   * A URI can be meant for several resources, and for which of them, only the MCP framework knows in the end. Those it
   * asks first come together, with what the options say in any case; should it choose another one after all, the
   * check at the handler decides.
   */
  #findUri(uri: string): readonly OperationEntry[] {
    const fixed = [...new Set(uriKeys(uri).flatMap((key) => this.#byUri.get(key) ?? []))];
    const templates = this.#templates.filter(({ matches }) => matches(uri)).map(({ entry }) => entry);
    const fromOptions = [...fixed, ...templates].filter(({ origin }) => origin === 'options');
    const exact = fixed.filter(({ origin, name }) => origin === 'exact-first' && name === uri);
    if (exact.length > 0) return [...exact, ...fromOptions];
    const fromTemplates = templates.filter(({ origin }) => origin !== 'options');
    return fromTemplates.length > 0 ? [...fromTemplates, ...fromOptions] : [...new Set([...fixed, ...fromOptions])];
  }
}

function add(map: Map<string, OperationEntry[]>, key: string, entry: OperationEntry): void {
  const entries = map.get(key);
  if (entries) entries.push(entry);
  else map.set(key, [entry]);
}
