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
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
        scopes: { required: ['notes:read'] },
        // Only tokens that are bound to a key. Each proof has a nonce, so that nobody can make proofs in advance.
        dpop: { mode: 'required', nonce: { secret: config.getOrThrow<string>('DPOP_NONCE_SECRET') } },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class AppModule {}
