import type { InMemoryOAuthProvider } from './oauth-provider.js';

export interface Person {
  username: string;
  password: string;
}

/** A browser with its user, who signs in and consents when the pages of the authorization server ask for it. */
export class ScriptedBrowser {
  readonly #person: Person;
  readonly #cookies = new Map<string, string>();

  constructor(person: Person) {
    this.#person = person;
  }

  /**
   * Opens a URL and fills in the pages, until it is redirected to `redirectUrl`. Returns that URL, and the actions of
   * the user.
   */
  async visit(address: URL, redirectUrl: string): Promise<{ callback: URL; did: string[] }> {
    const did: string[] = [];
    let request = new Request(address);
    for (let pages = 0; pages < 20; pages++) {
      const response = await this.#send(request);
      const location = response.headers.get('location');
      const next = location === null ? undefined : new URL(location, request.url);
      if (next?.href.startsWith(`${redirectUrl}?`)) return { callback: next, did };
      request = next ? new Request(next) : this.#answer(await pageOf(response, request), did);
    }
    throw new Error(`The browser is sent around in circles, now at ${request.url}`);
  }

  /** Opens a URL and fills in the pages, until one asks for nothing. Returns that page, and the actions of the user. */
  async open(address: URL): Promise<{ url: string; status: number; text: string; did: string[] }> {
    const did: string[] = [];
    let request = new Request(address);
    for (let pages = 0; pages < 20; pages++) {
      const response = await this.#send(request);
      const location = response.headers.get('location');
      const page = location === null && response.ok ? await pageOf(response, request) : undefined;
      if (location !== null) request = new Request(new URL(location, request.url));
      else if (page && page.forms.length > 0) request = this.#answer(page, did);
      else return { url: request.url, status: response.status, text: page?.text ?? (await response.text()), did };
    }
    throw new Error(`The browser is sent around in circles, now at ${request.url}`);
  }

  /** Opens the authorization URL of a client. Returns the callback parameters, and the actions of the user. */
  async authorize(oauth: InMemoryOAuthProvider): Promise<{ answer: URLSearchParams; did: string[] }> {
    if (!oauth.authorizationUrl) throw new Error('The SDK did not ask for the user');
    const { callback, did } = await this.visit(oauth.authorizationUrl, oauth.redirectUrl);
    return { answer: oauth.acceptCallback(callback), did };
  }

  #answer(page: Page, did: string[]): Request {
    const { username, password } = this.#person;
    const signIn = page.forms.find(({ action }) => action.endsWith('/login'));
    if (signIn) {
      did.push(`${username} signs in`);
      return submit(signIn, { username, password });
    }
    const consent = page.forms.find(({ action }) => action.endsWith('/confirm'));
    if (consent) {
      did.push(`${username} allows: ${page.items.join('; ')}`);
      return submit(consent, {});
    }
    throw new Error(`${page.url} shows neither a sign-in nor a consent form`);
  }

  async #send(request: Request): Promise<Response> {
    request.headers.set('cookie', Array.from(this.#cookies, (cookie) => cookie.join('=')).join('; '));
    const response = await fetch(request, { redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) this.#remember(cookie);
    return response;
  }

  /** The part of RFC 6265 that a sign-in on one host needs: an empty cookie is deleted. */
  #remember(cookie: string): void {
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(cookie) ?? [];
    if (name && value) this.#cookies.set(name, value);
    else if (name) this.#cookies.delete(name);
  }
}

interface Form {
  action: string;
  /** The values that the page preset. */
  fields: Record<string, string>;
}

interface Page {
  url: string;
  /** The text of its list items: on a consent page, the requested scopes. */
  items: string[];
  /** All of its text. */
  text: string;
  forms: Form[];
}

async function pageOf(response: Response, { method, url }: Request): Promise<Page> {
  const html = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} was answered ${response.status}: ${textOf(html)}`);
  const forms = Array.from(html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs), ([, attributes = '', content = '']) => ({
    action: new URL(attribute(attributes, 'action') ?? '', url).href,
    fields: Object.fromEntries(
      Array.from(content.matchAll(/<input\b([^>]*)>/g), ([, input = '']) => [
        attribute(input, 'name'),
        attribute(input, 'value') ?? '',
      ]),
    ) as Record<string, string>,
  }));
  return {
    url,
    forms,
    text: textOf(html),
    items: Array.from(html.matchAll(/<li>(.*?)<\/li>/gs), ([, content = '']) => textOf(content)),
  };
}

function textOf(html: string): string {
  const texts = html.replaceAll(/<style.*?<\/style>/gs, '').split(/<[^>]*>/);
  return texts
    .map((text) => text.trim())
    .filter(Boolean)
    .join(' · ');
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&');
}

function submit({ action, fields }: Form, typed: Record<string, string>): Request {
  return new Request(action, { method: 'POST', body: new URLSearchParams({ ...fields, ...typed }) });
}
