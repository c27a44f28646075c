import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer } from '@modelcontextprotocol/server';
import type { McpSdkBridge, RegisterOptions } from 'nestjs-mcp-auth/sdk';
import type { RpcAnswer, Sdk } from './sdk-server.js';

/** One `tools/call` over a transport that, like standard input and output, has nothing but messages. */
export async function callOverStdio(
  sdk: Sdk,
  bridge: McpSdkBridge,
  tool: string,
  options: RegisterOptions | undefined = { stdio: true },
): Promise<RpcAnswer['result']> {
  const about = { name: 'test', version: '1.0.0' };
  const server = sdk === 'v1' ? new McpServerV1(about) : new McpServer(about);
  bridge.register(server, options);
  let resolve: (answer: RpcAnswer) => void = () => undefined;
  const answer = new Promise<RpcAnswer>((done) => (resolve = done));
  const transport = {
    start: async () => undefined,
    close: async () => undefined,
    send: async (message: unknown) => resolve(message as RpcAnswer),
    onmessage: undefined as ((message: object) => void) | undefined,
  };
  await server.connect(transport as never);
  transport.onmessage?.({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } });
  const { result } = await answer;
  await server.close();
  return result;
}
