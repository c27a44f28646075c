import { parseUrl } from './parse-url.js';
import { MemoryAdapter } from './memory-adapter.js';
import type { AdapterPayload } from 'oidc-provider';

/** What a registration or a client ID metadata document holds, before the provider has checked it. */
type ClientMetadata = Record<string, unknown>;

/** How long a fetched loopback document is used again, in seconds; also the provider's own lower limit for https ones. */
const DOCUMENT_LIFETIME_SECONDS = 30;
const DOCUMENT_TIMEOUT_MS = 2_500;
const DOCUMENT_MAX_BYTES = 64 * 1024;
/** As `URL.hostname` spells them. */
export const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const GRANT_TYPES = new Set(['authorization_code', 'refresh_token']);

/**
 * Brings what real MCP clients register into what this server can serve, where RFC 7591 §3.2.1 lets a server replace
 * values instead of refusing the client:
 *
 * - grant types other than the two supported are dropped (editors register the device grant too);
 * - `scope` is dropped: it would bar the client from stepping up to a scope that it did not think of when it registered.
 *   What a client gets is what the user allows.
 * - a client known by its URL has no shared secret, so it is public unless its document says how it proves itself.
 *
 * Does NOT check anything: the provider does, after this.
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
 * The registered clients, and those whose `client_id` is an `http://` URL on a loopback host with a path: their document
 * is fetched from there. This goes beyond the draft, which wants https, so that a client on the developer's own machine
 * can be tried; the provider itself takes care of https ones. The rules are the draft's: no redirects, `client_id`
 * equal to the URL, no shared secret.
 *
 * Fetching a loopback address on a stranger's word is nothing that a web page could not make the same browser do.
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

/** The timer belongs to this call: a signal of `AbortSignal.timeout` may be collected while the body still comes. */
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

/** Counts while it reads, so that nobody makes this process hold more than a document may have. */
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

/** The provider's way to the network: answers from the given documents first. Everything the provider checks stays checked. */
export function fetchWithDocuments(documents: Readonly<Record<string, ClientMetadata>>): typeof fetch {
  return async (input, init) => {
    const document = Object.hasOwn(documents, String(input)) ? documents[String(input)] : undefined;
    return document === undefined ? fetch(input, init) : Response.json(document);
  };
}
