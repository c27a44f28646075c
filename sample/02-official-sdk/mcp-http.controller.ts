import { All, Controller, Req, Res } from '@nestjs/common';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { McpSdkBridge } from 'nestjs-mcp-auth/sdk';
import { exchangeOf, type PlatformRequest, type PlatformResponse } from '../notes-server/exchange.js';

/** The SDK behind an ordinary Nest route: the guard runs before it. Supports MCP 2026-07-28 and earlier versions. */
// #region official-sdk
@Controller('mcp')
export class McpHttpController {
  private readonly mcp;

  constructor(bridge: McpSdkBridge) {
    this.mcp = toNodeHandler(
      createMcpHandler(() => {
        const server = new McpServer({ name: 'notes', version: '1.0.0' });
        bridge.register(server);
        return server;
      }),
    );
  }

  @All()
  handle(@Req() request: PlatformRequest, @Res() response: PlatformResponse) {
    return this.mcp(...exchangeOf(request, response));
  }
}
// #endregion
