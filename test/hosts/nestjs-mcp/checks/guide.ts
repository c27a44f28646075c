/** The code of `docs/guides/nestjs-mcp.md`. */
import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpModule, Resolver, Tool } from '@nestjs-mcp/server';
import { AuthInfo, McpAuthModule, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { z } from 'zod';

// #region tools
@Resolver()
export class NotesTools {
  @Tool({ name: 'add-note', description: 'Add a note', paramsSchema: { text: z.string() } })
  @RequireScopes('notes:write')
  addNote({ text }: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    return { content: [{ type: 'text' as const, text: `${auth.principalKey} wrote ${text}` }] };
  }
}
// #endregion

// #region module
@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
        scopes: { required: ['notes:read'] },
      }),
    }),
    // Without the last option the framework also serves HTTP+SSE, which MCP has deprecated.
    McpModule.forRoot({ name: 'notes', version: '1.0.0', transports: { sse: { enabled: false } } }),
  ],
  providers: [NotesTools],
})
export class AppModule {}
// #endregion
