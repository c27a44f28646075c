import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { McpAuthModule, mcpAuthConfig } from 'nestjs-mcp-auth';
import { McpSdkModule } from 'nestjs-mcp-auth/sdk';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../02-official-sdk/notes.tools.js';
import { McpHttpController } from './mcp-http.controller.js';

/** Configured only by environment variables: `MCP_AUTH_RESOURCE`, `MCP_AUTH_ISSUER` and `MCP_AUTH_REQUIRED_SCOPES`. */
@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync(mcpAuthConfig.asProvider()),
    McpSdkModule,
  ],
  controllers: [McpHttpController],
  providers: [NotesService, NotesTools],
})
export class AppModule {}
