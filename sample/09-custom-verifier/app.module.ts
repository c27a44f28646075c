import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpHttpController } from '../01-quick-start/mcp-http.controller.js';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../01-quick-start/notes.tools.js';
import { AccessTokenController } from './access-token.controller.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { AccessTokens } from './access-tokens.service.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
        // The class of a provider: Nest injects its dependencies. Its results are cached only if you set `cache`.
        verifier: AccessTokenVerifier,
        // This issuer has no metadata: only the verifier above knows its tokens.
        checkAuthorizationServers: false,
        scopes: { required: ['notes:read'] },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools, AccessTokenController],
  providers: [NotesService, AccessTokens, AccessTokenVerifier],
})
export class AppModule {}
