import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpHttpController } from '../01-quick-start/mcp-http.controller.js';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../01-quick-start/notes.tools.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [
          {
            issuer: config.getOrThrow('MCP_AUTH_ISSUER'),
            introspection: {
              clientId: config.getOrThrow('MCP_AUTH_INTROSPECTION_CLIENT_ID'),
              auth: {
                method: 'client_secret_basic',
                clientSecret: config.getOrThrow('MCP_AUTH_INTROSPECTION_CLIENT_SECRET'),
              },
              // Introspects the token of every request: a revocation takes effect at once, instead of within a minute
              // (the default).
              cacheSeconds: 0,
            },
          },
        ],
        scopes: { required: ['notes:read'] },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class AppModule {}
