import { Controller, Delete, Get, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { McpSdkBridge } from 'nestjs-mcp-auth/sdk';
import { exchangeOf, type PlatformRequest, type PlatformResponse } from '../notes-server/exchange.js';

/** Version 1 of the SDK behind an ordinary Nest route, without sessions: a server and a transport for each request. */
// #region official-sdk-1
@Controller('mcp')
export class McpHttpController {
  constructor(private readonly bridge: McpSdkBridge) {}

  @Post()
  async post(@Req() request: PlatformRequest, @Res() response: PlatformResponse) {
    const exchange = exchangeOf(request, response);
    const server = new McpServer({ name: 'notes', version: '1.0.0' });
    this.bridge.register(server);
    const transport = new StreamableHTTPServerTransport();
    exchange[1].once('close', () => void server.close());
    // The cast is needed with `exactOptionalPropertyTypes`, to which the types of version 1 do not conform.
    await server.connect(transport as Transport);
    await transport.handleRequest(...exchange);
  }

  /** Without sessions, a client cannot open a stream or end a session. */
  @Get()
  @HttpCode(405)
  @Header('Allow', 'POST')
  get() {}

  @Delete()
  @HttpCode(405)
  @Header('Allow', 'POST')
  delete() {}
}
// #endregion
