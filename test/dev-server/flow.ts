import { createHash, randomBytes } from 'node:crypto';

/** Cookies by path, as a browser keeps them; enough for one host. */
class CookieJar {
  private readonly cookies = new Map<string, { name: string; value: string; path: string }>();

  store(url: URL, response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? url.pathname;
      const key = `${name} ${path}`;
      if (value === '' || attributes.some((attribute) => /^expires=Thu, 01 Jan 1970/i.test(attribute)))
        this.cookies.delete(key);
      else this.cookies.set(key, { name, value, path });
    }
  }

  header(url: URL): string {
    const matches = [...this.cookies.values()].filter(
      ({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
    );
    return matches.map(({ name, value }) => `${name}=${value}`).join('; ');
  }
}

/** A page, or the redirect that leaves the server. */
export interface Arrival {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A browser without a screen: cookies, redirects within the server, forms. */
export class Browser {
  private readonly jar = new CookieJar();

  async open(
    address: string | URL,
    form?: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Arrival> {
    const url = new URL(address);
    const response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: this.jar.header(url), ...headers },
      ...(form !== undefined && { body: new URLSearchParams(form) }),
    });
    this.jar.store(url, response);
    const location = response.headers.get('location');
    if (location === null)
      return { url, status: response.status, headers: response.headers, text: await response.text() };
    const next = new URL(location, url);
    if (next.origin === url.origin) return this.open(next);
    return { url: next, status: response.status, headers: response.headers, text: '' };
  }

  /** Submits one of the forms of an interaction, as a headless script does. */
  async submit(
    { url }: Arrival,
    form: 'login' | 'confirm' | 'abort' | 'switch',
    fields: Record<string, string> = {},
  ): Promise<Arrival> {
    return this.open(`${url.origin}${url.pathname.split('/').slice(0, 3).join('/')}/${form}`, fields);
  }

  async signInAndAllow(address: string | URL, username = 'alice'): Promise<Arrival> {
    const signIn = await this.open(address);
    const consent = await this.submit(signIn, 'login', { username, password: username });
    return this.submit(consent, 'confirm');
  }
}

export const REDIRECT_URI = 'http://127.0.0.1:45678/callback';

export async function register(issuer: string, metadata: Record<string, unknown> = {}): Promise<Response> {
  return fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Notes client',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  });
}

export async function registerClient(issuer: string, metadata?: Record<string, unknown>): Promise<string> {
  const { client_id: clientId } = (await (await register(issuer, metadata)).json()) as { client_id: string };
  return clientId;
}

/** A public client with a PKCE pair of its own for each authorization request. */
export class Client {
  private verifier = '';

  constructor(
    private readonly issuer: string,
    readonly clientId: string,
    private readonly redirectUri = REDIRECT_URI,
  ) {}

  /** An authorization request; an `undefined` parameter is left out. */
  authorizationUrl(parameters: Record<string, string | undefined> = {}): URL {
    this.verifier = randomBytes(32).toString('base64url');
    const url = new URL(`${this.issuer}/authorize`);
    const all = {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      state: 'some-state',
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...parameters,
    };
    for (const [name, value] of Object.entries(all)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  async token(parameters: Record<string, string>): Promise<{ status: number; body: TokenResponse }> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: this.clientId, ...parameters }),
    });
    return { status: response.status, body: (await response.json()) as TokenResponse };
  }

  async exchange(
    { url }: Arrival,
    parameters: Record<string, string> = {},
  ): Promise<{ status: number; body: TokenResponse }> {
    return this.token({
      grant_type: 'authorization_code',
      code: url.searchParams.get('code') ?? '',
      redirect_uri: this.redirectUri,
      code_verifier: this.verifier,
      ...parameters,
    });
  }
}

export interface TokenResponse {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly id_token?: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope: string;
  readonly error?: string;
  readonly error_description?: string;
}
