import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { AuthInfo, type McpAuthInfo, McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpSdkModule, McpTool } from 'nestjs-mcp-auth/sdk';

/** The program of docs/guides/stdio.md, which nothing but the compiler reads: it would take the standard input of the tests. */

// #region program
@Injectable()
class NotesTools {
  @McpTool({ description: 'Who is calling' })
  @RequireScopes('notes:read')
  whoami(@AuthInfo() auth: McpAuthInfo | undefined) {
    return { subject: auth?.subject };
  }
}

@Module({
  imports: [
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/mcp',
      authorizationServers: ['https://login.example.com'],
      stdio: { tokenEnv: 'NOTES_ACCESS_TOKEN' },
    }),
    McpSdkModule,
  ],
  providers: [NotesTools],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
serveStdio(() => {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  app.get(McpSdkBridge).register(server, { stdio: true });
  return server;
});
// #endregion
