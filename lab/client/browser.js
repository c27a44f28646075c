/** A browser with its user, without a browser: it follows redirects, keeps cookies, and fills in forms. */
import http from 'node:http';
import { formsIn } from './forms.js';

/** Fields into which a user types a name. */
const NAME_FIELD = /^(?:user(?:name)?|login|email|identifier)$/i;

/** Buttons with which a user agrees, in the words of the products. */
const AGREEING = /accept|allow|yes|approve|grant|consent|authorize|continue|sign|log|ok/i;

const MOST_PAGES = 25;

export class Browser {
  #user;
  /** @type {Map<string, { host: string, path: string, name: string, value: string }>} */
  #cookies = new Map();

  /** @param {{ username: string, password: string }} user */
  constructor(user) {
    this.#user = user;
  }

  /**
   * Opens a URL, signs in and agrees to everything, until it is redirected to `redirectUri`.
   *
   * @param {URL | string} start
   * @param {string} redirectUri
   * @returns {Promise<URL>} the redirect URI with the answer of the server
   * @throws {Error} if a page has no form
   */
  async visit(start, redirectUri) {
    let request = { url: String(start) };
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      if (request.url.startsWith(redirectUri)) return new URL(request.url);
      const { status, headers, html } = await this.#send(request);
      if (headers.location === undefined) request = this.#answer(html, request.url, status);
      else request = { url: new URL(headers.location, request.url).href };
    }
    throw new Error(`the browser is sent around in circles, now at ${request.url}`);
  }

  #answer(html, url, status) {
    const forms = formsIn(html, url);
    const form = forms.find(({ method }) => method === 'post') ?? forms[0];
    if (!form) throw new Error(`${new URL(url).pathname} answered ${status}: ${textOf(html)}`);
    const body = new URLSearchParams(form.fields.filter(isSent).map((field) => [field.name, this.#valueOf(field)]));
    const buttons = form.fields.filter(({ type }) => type === 'submit');
    const pressed = buttons.find(({ name, value, label }) => AGREEING.test(`${name} ${value} ${label}`)) ?? buttons[0];
    if (pressed?.name) body.set(pressed.name, pressed.value);
    return form.method === 'get'
      ? { url: `${form.action.split('?', 1)[0]}?${body}` }
      : { url: form.action, body: body.toString() };
  }

  #valueOf({ name, type, value }) {
    if (type === 'password') return this.#user.password;
    return NAME_FIELD.test(name) && type !== 'hidden' ? this.#user.username : value;
  }

  /** Not `fetch`, which tells the server that this is no navigation: some then answer with JSON. */
  #send({ url, body }) {
    const headers = { accept: 'text/html', cookie: this.#cookieHeader(url), 'sec-fetch-mode': 'navigate' };
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = new URL(url).origin;
    }
    return new Promise((resolve, reject) => {
      const request = http.request(url, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) this.#keep(url, cookie);
        let html = '';
        response.setEncoding('utf8');
        response.on('data', (part) => (html += part));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, html }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.setTimeout(20_000, () => request.destroy(new Error(`${url} does not answer`)));
      request.end(body);
    });
  }

  #cookieHeader(url) {
    const { hostname, pathname } = new URL(url);
    return [...this.#cookies.values()]
      .filter(({ host, path }) => host === hostname && pathname.startsWith(path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  /** The part of RFC 6265 that a sign-in needs: an empty or expired cookie is deleted. */
  #keep(url, cookie) {
    const [pair, ...attributes] = cookie.split(';').map((part) => part.trim());
    const [name, value] = splitAt(pair, '=');
    const of = Object.fromEntries(
      attributes.map((text) => splitAt(text, '=')).map(([key, on]) => [key.toLowerCase(), on]),
    );
    const { hostname: host } = new URL(url);
    const path = of.path?.startsWith('/') ? of.path : '/';
    const key = `${host} ${path} ${name}`;
    const isExpired = of['max-age'] === '0' || (of.expires && Date.parse(of.expires) < Date.now());
    if (value === '' || isExpired) this.#cookies.delete(key);
    else this.#cookies.set(key, { host, path, name, value });
  }
}

function isSent({ name, type }) {
  return name !== '' && !['submit', 'button', 'image'].includes(type);
}

function splitAt(text, separator) {
  const index = text.indexOf(separator);
  return index === -1 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function textOf(html) {
  return html
    .replaceAll(/<(style|script)\b.*?<\/\1>|<[^>]*>/gs, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
