/** The host over standard input and output, for a process that speaks MCP with it. */
import { NestFactory } from '@nestjs/core';
import { McpTransportType } from '@rekog/mcp-nest';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { moduleOf } from './host';

const stdio: 'trust' | 'deny' = process.env.STDIO === 'trust' ? 'trust' : 'deny';
const options = {
  resource: 'https://mcp.example.com/mcp',
  authorizationServers: ['https://issuer.example.com'],
  stdio,
} satisfies McpAuthModuleOptions;
const module_ = moduleOf(options, { transport: McpTransportType.STDIO });
void NestFactory.createApplicationContext(module_, { logger: false });
