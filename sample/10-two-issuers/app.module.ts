import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpHttpController } from '../01-quick-start/mcp-http.controller.js';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../01-quick-start/notes.tools.js';
import { TenantsModule } from './tenants.module.js';
import { Tenants } from './tenants.service.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      imports: [TenantsModule],
      inject: [ConfigService, Tenants],
      useFactory: (config: ConfigService, tenants: Tenants) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [
          // Clients send their users here, because they use the first server.
          { issuer: config.getOrThrow('MCP_AUTH_ISSUER'), algorithms: ['RS256'] },
          // Uses another algorithm, and other claims for the same content.
          {
            issuer: config.getOrThrow('PARTNER_ISSUER'),
            algorithms: ['ES256'],
            claims: { scopes: 'scp', clientId: 'app', subject: '/user/id' },
          },
        ],
        // An issuer for each tenant: not published; looked up when a token names an issuer that is not listed above.
        trustedIssuer: (issuer: string) => tenants.find(issuer),
        scopes: { required: ['notes:read'] },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class AppModule {}
