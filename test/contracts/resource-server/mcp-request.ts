/** The versions with protected resource metadata. */
export type SpecVersion = '2025-06-18' | '2025-11-25' | '2026-07-28';

/** An HTTP answer, read to its end. */
export interface Answer {
  readonly status: number;
  /** The field `WWW-Authenticate`, or null. */
  readonly challenge: string | null;
  /** The result of the JSON-RPC response, if it has one. */
  readonly result: Record<string, unknown> | undefined;
}

const CLIENT = { name: 'resource-server-checks', version: '1.0.0' };
const REQUEST_TIMEOUT_MS = 10_000;

/** The first request of a client: `server/discover`, or `initialize` before 2026-07-28. */
export function probe(serverUrl: string, version: SpecVersion, token?: string): Promise<Answer> {
  if (version === '2026-07-28') return request(serverUrl, version, 'server/discover', {}, token);
  const params = { protocolVersion: version, capabilities: {}, clientInfo: CLIENT };
  return request(serverUrl, version, 'initialize', params, token);
}

/** Sends one JSON-RPC request, with the headers and the `_meta` of the version. */
export async function request(
  serverUrl: string,
  version: SpecVersion,
  method: string,
  params: Readonly<Record<string, unknown>>,
  token?: string,
): Promise<Answer> {
  const isStateless = version === '2026-07-28';
  const name = params['name'] ?? params['uri'];
  const response = await fetch(serverUrl, {
    method: 'POST',
    redirect: 'manual',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(method !== 'initialize' && { 'mcp-protocol-version': version }),
      ...(isStateless && { 'mcp-method': method }),
      ...(isStateless && typeof name === 'string' && { 'mcp-name': name }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: isStateless ? { ...params, _meta: META } : params }),
  });
  const challenge = response.headers.get('www-authenticate');
  return { status: response.status, challenge, result: resultOf(await response.text()) };
}

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': CLIENT,
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Reads JSON, or the last event of a stream. */
function resultOf(body: string): Record<string, unknown> | undefined {
  const events = body.split('\n').filter((line) => line.startsWith('data:'));
  try {
    const { result } = JSON.parse(events.at(-1)?.slice('data:'.length) ?? body) as { result?: unknown };
    return typeof result === 'object' && result !== null ? (result as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
