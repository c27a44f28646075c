import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpModule, McpTransportType } from '@rekog/mcp-nest';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { NotesService } from './notes.service';
import { NotesTools } from './notes.tools';

// #region mcp-nest-1
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
    // Named, because the default adds two more: HTTP+SSE, which MCP has deprecated, and stdio, which has no tokens.
    McpModule.forRoot({ name: 'notes', version: '1.0.0', transport: McpTransportType.STREAMABLE_HTTP }),
  ],
  providers: [NotesService, NotesTools],
})
export class AppModule {}
// #endregion
