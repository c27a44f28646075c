import { parseUrl } from './parse-url.js';
import { MemoryAdapter } from './memory-adapter.js';
import type { AdapterPayload } from 'oidc-provider';

/** The members of a registration or a client ID metadata document, before the provider checks them. */
type ClientMetadata = Record<string, unknown>;

/** Lifetime of a fetched loopback document in the cache, in seconds; the provider's lower limit for https documents. */
const DOCUMENT_LIFETIME_SECONDS = 30;
const DOCUMENT_TIMEOUT_MS = 2_500;
const DOCUMENT_MAX_BYTES = 64 * 1024;
/** Loopback hosts, as `URL.hostname` spells them. */
export const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const GRANT_TYPES = new Set(['authorization_code', 'refresh_token']);

/**
 * Adapts the metadata of real MCP clients to this server, which may replace values instead of refusing the client
 * (RFC 7591 §3.2.1):
 *
 * - removes grant types that are not supported (editors register the device grant, too);
 * - removes `scope`, which would prevent a later step-up to a scope that the client did not register. The user decides
 *   which scopes a client gets;
 * - makes a client that is identified by its URL public, because it has no shared secret, unless its document names an
 *   authentication method.
 *
 * Does NOT check anything: the provider checks the result.
 */
export function adaptClientMetadata(metadata: ClientMetadata): void {
  delete metadata['scope'];
  if (Array.isArray(metadata['grant_types'])) {
    metadata['grant_types'] = metadata['grant_types'].filter((grantType) => GRANT_TYPES.has(grantType));
  }
  const isDocument = parseUrl(String(metadata['client_id'])) !== undefined;
  if (isDocument && metadata['token_endpoint_auth_method'] === 'client_secret_basic') {
    metadata['token_endpoint_auth_method'] = 'none';
  }
}

/**
 * Finds the registered clients. Also fetches the documents of clients with an `http://` URL on a loopback host with a path
 * as `client_id`. The draft requires https; this exception lets a developer test a client on the same machine. The provider
 * fetches https documents itself. The other rules are those of the draft: no redirects, `client_id` equal to the URL, no
 * shared secret.
 *
 * A client can thus make this server fetch from a loopback address. That adds no risk: any web page can make the browser of
 * the developer do the same.
 */
export class ClientAdapter extends MemoryAdapter {
  constructor(private readonly refuse: (detail: string, cause?: unknown) => Error) {
    super();
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const known = await super.find(id);
    if (known !== undefined || !isLoopbackDocumentUrl(id)) return known;
    const document = await this.fetchDocument(id);
    await this.upsert(id, document, DOCUMENT_LIFETIME_SECONDS);
    return document;
  }

  private async fetchDocument(url: string): Promise<AdapterPayload> {
    const document = await readJson(url).catch((cause: unknown) => {
      throw this.refuse(`the client ID metadata document ${url} could not be read`, cause);
    });
    if (document['client_id'] !== url) throw this.refuse(`the document at ${url} has another client_id than its URL`);
    if ('client_secret' in document || String(document['token_endpoint_auth_method']).startsWith('client_secret')) {
      throw this.refuse(`the document at ${url} uses a shared secret, which a public document cannot hold`);
    }
    return document;
  }
}

function isLoopbackDocumentUrl(id: string): boolean {
  const url = parseUrl(id);
  return (
    url?.protocol === 'http:' &&
    url.href === id &&
    LOOPBACK_HOSTS.has(url.hostname) &&
    url.pathname !== '/' &&
    url.hash === ''
  );
}

/** Uses its own timer: the signal of `AbortSignal.timeout` may be garbage-collected while the body is still arriving. */
async function readJson(url: string): Promise<ClientMetadata> {
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new Error(`no answer within ${DOCUMENT_TIMEOUT_MS} ms`)),
    DOCUMENT_TIMEOUT_MS,
  );
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: timeout.signal,
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return parseDocument(await readText(response));
  } finally {
    clearTimeout(timer);
    timeout.abort();
  }
}

/** Reads a body, and stops at the size limit, so that no client can fill the memory of this process. */
async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > DOCUMENT_MAX_BYTES) throw new Error(`longer than ${DOCUMENT_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseDocument(text: string): ClientMetadata {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new Error('no JSON object');
  return document as ClientMetadata;
}

/** A `fetch` for the provider that answers from the given documents first. The provider still checks every document. */
export function fetchWithDocuments(documents: Readonly<Record<string, ClientMetadata>>): typeof fetch {
  return async (input, init) => {
    const document = Object.hasOwn(documents, String(input)) ? documents[String(input)] : undefined;
    return document === undefined ? fetch(input, init) : Response.json(document);
  };
}
