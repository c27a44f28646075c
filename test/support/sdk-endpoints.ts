import { All, Controller, Req, Res, type Type } from '@nestjs/common';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import type { PlatformRequest, PlatformResponse } from './platforms.js';

/** Registers the tools `wipe` and `ping`, without decorators. */
function fill(server: McpServer | McpServerV1, ran: string[]): void {
  for (const name of ['wipe', 'ping']) {
    (server as McpServer).registerTool(name, { description: name }, () => {
      ran.push(name);
      return { content: [{ type: 'text', text: name }] };
    });
  }
}

/** A controller with version 1 of the official SDK, without sessions. The transport reads the body if it is undefined. */
export function sdk1Endpoint(path: string, ran: string[]): Type {
  @Controller(path)
  class Sdk1Endpoint {
    @All()
    async serve(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      const server = new McpServerV1({ name: 'sdk1', version: '1.0.0' });
      fill(server, ran);
      const transport = new StreamableHTTPServerTransport();
      await server.connect(transport as Parameters<McpServerV1['connect']>[0]);
      await transport.handleRequest(request.raw ?? request, response.raw ?? response, request.body);
    }
  }
  return Sdk1Endpoint;
}

/** A controller with version 2 of the official SDK. */
export function sdk2Endpoint(path: string, ran: string[]): Type {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'sdk2', version: '1.0.0' });
    fill(server, ran);
    return server;
  });
  const serve = toNodeHandler(handler);

  @Controller(path)
  class Sdk2Endpoint {
    @All()
    async serve(@Req() request: PlatformRequest, @Res() response: PlatformResponse): Promise<void> {
      await serve((request.raw ?? request) as Parameters<typeof serve>[0], response.raw ?? response, request.body);
    }
  }
  return Sdk2Endpoint;
}
