/** Most redirects that are followed. */
const MAX_REDIRECTS = 5;

/** What a request to an API is made with. */
export interface ApiAccess {
  /** The name of the API, for messages. */
  readonly name: string;
  /** The origins to which the token may be sent. */
  readonly origins: readonly string[];
  /** @param rejected a token that the API did not accept */
  readonly tokenFor: (rejected?: string) => Promise<string>;
}

/**
 * Sends a request with a token to an API, and once more with a new token if the API answers 401. Follows redirects of requests
 * without a body within one origin only. All other redirects are returned as they are.
 *
 * @throws {TypeError} for a URL to which the token may not be sent.
 */
export async function fetchApi(access: ApiAccess, url: string | URL, init: RequestInit = {}): Promise<Response> {
  const target = targetOf(access, url);
  const headers = new Headers(init.headers);
  if (headers.has('authorization')) {
    throw new TypeError(
      `A request to the API "${access.name}" has a header Authorization. Leave it out: the token goes there`,
    );
  }
  const token = await access.tokenFor();
  const response = await sendFollowing(target, init, headers, token);
  if (response.status !== 401 || !isRepeatable(init.body)) return response;
  void response.body?.cancel().catch(() => undefined);
  return sendFollowing(target, init, headers, await access.tokenFor(token));
}

function targetOf({ name, origins }: ApiAccess, url: string | URL): URL {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    throw new TypeError(`The URL for the API "${name}" is not absolute. Write one with scheme and host`);
  }
  if (origins.includes(target.origin) && target.username === '' && target.password === '') return target;
  throw new TypeError(
    `The token for the API "${name}" may not be sent to ${target.origin}. If that is the API, list it in downstream.${name}.origins`,
  );
}

async function sendFollowing(first: URL, init: RequestInit, headers: Headers, token: string): Promise<Response> {
  headers.set('authorization', `Bearer ${token}`);
  const canFollow = (init.redirect ?? 'follow') === 'follow' && /^(?:get|head)$/i.test(init.method ?? 'GET');
  let target = first;
  for (let redirects = 0; ; redirects += 1) {
    const response = await fetch(target.href, {
      ...init,
      headers,
      redirect: init.redirect === 'error' ? 'error' : 'manual',
    });
    const next = canFollow && redirects < MAX_REDIRECTS ? redirectWithin(target, response) : undefined;
    if (!next) return response;
    void response.body?.cancel().catch(() => undefined);
    target = next;
  }
}

/** The target of a redirect within the same origin; undefined for any other response. */
function redirectWithin(url: URL, { status, headers }: Response): URL | undefined {
  const location = headers.get('location');
  if (location === null || ![301, 302, 303, 307, 308].includes(status) || !URL.canParse(location, url.href))
    return undefined;
  const next = new URL(location, url);
  return next.origin === url.origin && next.username === '' && next.password === '' ? next : undefined;
}

/** A stream can be sent once only. */
function isRepeatable(body: unknown): boolean {
  return !(
    typeof body === 'object' &&
    body !== null &&
    (body instanceof ReadableStream || Symbol.asyncIterator in body)
  );
}
