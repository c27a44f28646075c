import { asksForNonce, refusesProof, type ApiProofs } from './api-proofs.js';

/** Most redirects that are followed. */
const MAX_REDIRECTS = 5;

/** Where the token for an API may be sent. */
export interface ApiTarget {
  /** The name of the API, for messages. */
  readonly name: string;
  /** The origins to which the token may be sent. */
  readonly origins: readonly string[];
}

/** What a request to an API is made with. */
export interface ApiAccess extends ApiTarget {
  /** @param rejected a token that the API did not accept */
  readonly tokenFor: (rejected?: string) => Promise<string>;
  /** How a request proves the key of the token; undefined for Bearer tokens. */
  readonly proofs: ApiProofs | undefined;
}

/**
 * Sends a request with a token to an API, and once more with a new token if the API answers 401. Follows redirects of requests
 * without a body within one origin only. All other redirects are returned as they are. With proofs, each request gets its own, and
 * is sent once more if the API wants another nonce.
 *
 * @throws {TypeError} for a URL to which the token may not be sent, and for a `Request`.
 */
export async function fetchApi(access: ApiAccess, url: string | URL, init: RequestInit = {}): Promise<Response> {
  const target = targetOf(access, url);
  // Its members are inherited, so that its body would not be sent.
  if (init instanceof Request)
    throw new TypeError(`The third argument of a request to the API "${access.name}" is a Request. Write an object`);
  const headers = new Headers(init.headers);
  refuseCredentials(access, headers);
  const request = { ...init, headers, method: methodOf(init) };
  const token = await access.tokenFor();
  const response = await sendFollowing(access, target, request, token);
  const isAboutToken = response.status === 401 && !(access.proofs && refusesProof(response));
  if (!isAboutToken || !isRepeatable(init.body)) return response;
  void response.body?.cancel().catch(() => undefined);
  return sendFollowing(access, target, request, await access.tokenFor(token));
}

/** The request of a tool, with its headers and its method as they are sent. */
type SentRequest = RequestInit & { readonly headers: Headers; readonly method: string };

/** @throws {TypeError} for header fields that this library writes. */
function refuseCredentials({ name, proofs }: ApiAccess, headers: Headers): void {
  const field = headers.has('authorization') ? 'Authorization' : proofs && headers.has('dpop') ? 'DPoP' : undefined;
  if (field === undefined) return;
  const what = field === 'DPoP' ? 'proof' : 'token';
  throw new TypeError(`A request to the API "${name}" has a header ${field}. Leave it out: the ${what} goes there`);
}

/** As `fetch` sends it. A proof must name it in the same case; `patch` is the one that `fetch` does not correct. */
function methodOf({ method = 'GET' }: RequestInit): string {
  return /^(?:get|head|post|put|delete|options|patch)$/i.test(method) ? method.toUpperCase() : method;
}

/** @throws {TypeError} for a URL to which the token may not be sent. */
export function targetOf({ name, origins }: ApiTarget, url: string | URL): URL {
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

async function sendFollowing(access: ApiAccess, first: URL, init: SentRequest, token: string): Promise<Response> {
  const canFollow = (init.redirect ?? 'follow') === 'follow' && /^(?:GET|HEAD)$/.test(init.method);
  let target = first;
  for (let redirects = 0; ; redirects += 1) {
    const response = access.proofs
      ? await sendProved(access.proofs, target, init, token)
      : await sendOnce(target, init, { authorization: `Bearer ${token}` });
    const next = canFollow && redirects < MAX_REDIRECTS ? redirectWithin(target, response) : undefined;
    if (!next) return response;
    void response.body?.cancel().catch(() => undefined);
    target = next;
  }
}

/** Once more with the nonce for which the API asks: not if it gave none, nor if it asks again. */
async function sendProved(proofs: ApiProofs, url: URL, init: SentRequest, token: string): Promise<Response> {
  const sent = proofs.nonceFor(url);
  const send = async (): Promise<Response> => {
    const response = await sendOnce(url, init, await proofs.headersFor(token, { method: init.method, url }));
    proofs.remember(url, response.headers.get('dpop-nonce'));
    return response;
  };
  const response = await send();
  if (!asksForNonce(response) || proofs.nonceFor(url) === sent || !isRepeatable(init.body)) return response;
  void response.body?.cancel().catch(() => undefined);
  return send();
}

function sendOnce(url: URL, init: SentRequest, credentials: Readonly<Record<string, string>>): Promise<Response> {
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(credentials)) headers.set(name, value);
  return fetch(url.href, { ...init, headers, redirect: init.redirect === 'error' ? 'error' : 'manual' });
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
