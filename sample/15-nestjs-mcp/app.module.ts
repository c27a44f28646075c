import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpModule } from '@nestjs-mcp/server';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { NotesService } from './notes.service';
import { NotesTools } from './notes.tools';

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
  providers: [NotesService, NotesTools],
})
export class AppModule {}
// #endregion
