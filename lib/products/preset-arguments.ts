import { McpAuthConfigError } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';
import { OptionReader } from '../options/option-reader.js';

/** Why an argument is refused, and what to write instead. */
interface Refusal {
  readonly why: string;
  readonly write: string;
}

/** A host name of one or more labels in lower case, with an optional port. */
const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/;

/**
 * The arguments of one call of a preset. Every method returns a usable value even after it found a problem, so that
 * {@link check} can report all problems.
 */
export class PresetArguments {
  readonly #options: OptionReader;

  constructor(preset: string, given: unknown, known: readonly string[]) {
    this.#options = OptionReader.of(isRecord(given) ? { ...given } : given, `${preset}()`);
    if (given !== undefined && !isRecord(given)) {
      this.#options.refuse({ why: 'must be an object', write: `Write an object with ${known.join(', ')}` });
    }
    this.#options.refuseUnknown(known);
  }

  /** A bare host name, such as `acme.eu.auth0.com`: neither a URL nor a path. */
  host(name: string, example: string): string {
    const value = this.#text(name, `Write a host name such as "${example}"`);
    if (value === '' || HOST.test(value)) return value;
    const url = value.includes('://') ? parseUrl(value) : undefined;
    const why = url ? 'it is a URL, but only its host name belongs here' : 'must be a host name in lower case';
    this.refuse(name, value, { why, write: `Write "${url ? url.host : example}"` });
    return example;
  }

  /**
   * An absolute URL, without its trailing slash.
   *
   * @param added the path that the preset appends; a URL that already contains it is refused.
   */
  url(name: string, example: string, added?: string): string {
    const value = this.#text(name, `Write a URL such as "${example}"`);
    if (value === '') return example;
    const refusal = refusalOfUrl(value, example, added);
    if (refusal) {
      this.refuse(name, value, refusal);
      return example;
    }
    return value.replace(/\/$/, '');
  }

  /** A text that matches this form. */
  text(name: string, form: RegExp, refusal: Refusal): string {
    const value = this.#text(name, refusal.write);
    if (value !== '' && !form.test(value)) this.refuse(name, value, refusal);
    return value;
  }

  /** One of these values. The first is the default. */
  choice<const T>(name: string, among: readonly [T, ...T[]]): T {
    return this.#options.at(name).choice(among);
  }

  has(name: string): boolean {
    return this.#options.at(name).isGiven;
  }

  refuse(name: string, seen: unknown, refusal: Refusal): void {
    this.#options.at(name).refuse({ ...refusal, seen: showValue(seen) });
  }

  /** @throws {McpAuthConfigError} listing every problem. */
  check(): void {
    const { problems } = this.#options;
    if (problems.length > 0) throw new McpAuthConfigError(problems);
  }

  #text(name: string, write: string): string {
    return this.#options.at(name).requiredText(write);
  }
}

function refusalOfUrl(value: string, example: string, added?: string): Refusal | undefined {
  const write = `Write a URL such as "${example}"`;
  const url = parseUrl(value);
  if (!/^https?:\/\//i.test(value) || !url) {
    return {
      why: 'must be an absolute http or https URL',
      write: HOST.test(value) ? `Write "https://${value}"` : write,
    };
  }
  const { href, username, password } = url;
  if (/[?#]/.test(value)) return { why: 'it has a query or a fragment', write };
  if (username || password) return { why: 'it holds a user name or password', write };
  if (href !== value && href !== `${value}/`) return { why: 'it is not in normal form', write: `Write "${href}"` };
  const at = added === undefined ? -1 : value.indexOf(added);
  if (at === -1) return undefined;
  return { why: `it holds "${added}" already, which the preset adds`, write: `Write "${value.slice(0, at)}"` };
}
