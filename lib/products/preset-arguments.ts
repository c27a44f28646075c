import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { isRecord } from '../core/record.js';
import { parseUrl } from '../core/resource.js';
import { showValue } from '../core/safe-text.js';

/** Why an argument is refused, and what to write instead. */
interface Refusal {
  readonly why: string;
  readonly write: string;
}

/** One label or several of a host name in lower case, and perhaps a port. */
const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/;

/**
 * The arguments of one call of a preset. Every method returns something usable even where it found a problem, so that
 * {@link check} can name all of them.
 */
export class PresetArguments {
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #problems: ConfigProblem[] = [];

  constructor(
    private readonly preset: string,
    given: unknown,
    known: readonly string[],
  ) {
    const write = `Known are ${known.join(', ')}`;
    this.#given = isRecord(given) ? { ...given } : {};
    if (!isRecord(given) && given !== undefined) this.refuse('', given, { why: 'it is no object', write });
    for (const [name, value] of Object.entries(this.#given)) {
      if (known.includes(name) || value === undefined) continue;
      this.#refuseUnseen(name, { why: 'there is no such argument here', write });
    }
  }

  /** A bare host name, such as `acme.eu.auth0.com`: neither a URL nor a path. */
  host(name: string, example: string): string {
    const value = this.#text(name, `Write a host name such as "${example}"`);
    if (value === '' || HOST.test(value)) return value;
    const url = value.includes('://') ? parseUrl(value) : undefined;
    const why = url ? 'it is a URL, and only the host name of it is wanted' : 'it is no host name in lower case';
    this.refuse(name, value, { why, write: `Write "${url ? url.host : example}"` });
    return example;
  }

  /**
   * An absolute URL, without the slash at its end.
   *
   * @param added what the preset adds to it, so that somebody may have written it already.
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

  /** A text of a certain form. */
  text(name: string, form: RegExp, refusal: Refusal): string {
    const value = this.#text(name, refusal.write);
    if (value !== '' && !form.test(value)) this.refuse(name, value, refusal);
    return value;
  }

  /** One of a few values. */
  choice<const T>(name: string, among: readonly [T, ...T[]]): T {
    const value = this.#given[name];
    if (value === undefined) return among[0];
    const found = among.find((one) => one === value);
    if (found !== undefined) return found;
    const write = `Write ${among.map((one) => JSON.stringify(one)).join(' or ')}`;
    this.refuse(name, value, { why: 'it is not known', write });
    return among[0];
  }

  has(name: string): boolean {
    return this.#given[name] !== undefined;
  }

  refuse(name: string, seen: unknown, { why, write }: Refusal): void {
    const option = name === '' ? `${this.preset}()` : `${this.preset}().${name}`;
    this.#problems.push({ option, seen: showValue(seen), why, write });
  }

  /** What is not known may be a secret. */
  #refuseUnseen(name: string, { why, write }: Refusal): void {
    this.#problems.push({ option: `${this.preset}().${name}`, seen: 'a value', why, write });
  }

  /** @throws {McpAuthConfigError} listing every problem there was. */
  check(): void {
    if (this.#problems.length > 0) throw new McpAuthConfigError(this.#problems);
  }

  #text(name: string, write: string): string {
    const value = this.#given[name];
    if (typeof value === 'string' && value !== '') return value;
    this.refuse(name, value, { why: value === undefined ? 'it is required' : 'it is no text', write });
    return '';
  }
}

function refusalOfUrl(value: string, example: string, added?: string): Refusal | undefined {
  const write = `Write a URL such as "${example}"`;
  const url = parseUrl(value);
  if (!/^https?:\/\//i.test(value) || !url) {
    return { why: 'it is no absolute http or https URL', write: HOST.test(value) ? `Write "https://${value}"` : write };
  }
  const { href, username, password } = url;
  if (/[?#]/.test(value)) return { why: 'it has a query or a fragment', write };
  if (username || password) return { why: 'it holds a user name or password', write };
  if (href !== value && href !== `${value}/`) return { why: 'it is not in normal form', write: `Write "${href}"` };
  const at = added === undefined ? -1 : value.indexOf(added);
  if (at === -1) return undefined;
  return { why: `it holds "${added}" already, which is added here`, write: `Write "${value.slice(0, at)}"` };
}
