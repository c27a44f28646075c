import { messagesOf } from './expectations.js';
import { INITIALIZE } from './sessions.js';

/** A JSON-RPC message that answers a request. */
export interface RpcReply {
  readonly id: unknown;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** Sends messages of 2025-11-25 to one endpoint, as one caller. */
export class McpCaller {
  session: string | undefined;
  #id = 0;

  constructor(
    readonly url: string,
    readonly token: string | undefined,
  ) {}

  /** The same endpoint and session, with another token. */
  as(token: string | undefined): McpCaller {
    const caller = new McpCaller(this.url, token);
    caller.session = this.session;
    return caller;
  }

  headers(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
      ...(this.session !== undefined && { 'mcp-session-id': this.session }),
      ...more,
    };
  }

  /** Opens a session if the endpoint has sessions. */
  async open(): Promise<this> {
    const response = await this.send('initialize', INITIALIZE);
    await response.text();
    this.session = response.headers.get('mcp-session-id') ?? undefined;
    return this;
  }

  post(body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response> {
    return fetch(this.url, {
      method: 'POST',
      headers: this.headers({ 'content-type': 'application/json', ...headers }),
      body: JSON.stringify(body),
    });
  }

  send(method: string, params: object, headers?: Readonly<Record<string, string>>): Promise<Response> {
    return this.post({ jsonrpc: '2.0', id: ++this.#id, method, params }, headers);
  }

  /** Sends a request and returns the answer. The status must be 200. */
  async ask(method: string, params: object): Promise<RpcReply> {
    const response = await this.send(method, params);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method} was answered ${response.status}: ${text}`);
    return messagesOf(text).find((message) => (message as RpcReply).id === this.#id) as RpcReply;
  }

  /** Resumes the stream after an event. */
  resume(lastEventId: string): Promise<Response> {
    return fetch(this.url, { headers: this.headers({ accept: 'text/event-stream', 'last-event-id': lastEventId }) });
  }

  async createTask(name: string): Promise<string> {
    const { result, error } = await this.ask('tools/call', { name, arguments: {}, task: { ttl: 60_000 } });
    if (!result) throw new Error(`no task: ${error?.message}`);
    return (result['task'] as { taskId: string }).taskId;
  }
}

/** Reads a stream until it contains `words`, and closes it. */
export async function readUntil(response: Response, words: string): Promise<string> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (!text.includes(words)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}
