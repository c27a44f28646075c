import type { McpTransport, McpTransportContext } from '@rekog/mcp-nest';

/** A transport that has only messages, like standard input and output. */
export class StdioLikeTransport implements McpTransport {
  readonly kind = 'stdio';
  #server: ReturnType<McpTransportContext['createServer']> | undefined;
  #receive: ((message: object) => void) | undefined;
  #answer: (message: unknown) => void = () => undefined;

  async start(context: McpTransportContext): Promise<void> {
    const transport = {
      start: async () => undefined,
      close: async () => undefined,
      send: async (message: unknown) => this.#answer(message),
      onmessage: undefined as ((message: object) => void) | undefined,
    };
    const server = context.createServer();
    this.#server = server;
    context.bindRequestHandlers(server, { transport: 'stdio', stateless: false, era: 'legacy' });
    await server.connect(transport as never);
    this.#receive = (message) => transport.onmessage?.(message);
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  call(name: string): Promise<{ result: { isError?: boolean; content: { text: string }[] } }> {
    return new Promise((resolve) => {
      this.#answer = resolve as (message: unknown) => void;
      this.#receive?.({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } });
    });
  }
}
