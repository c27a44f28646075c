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
          // Where clients send their users: they take the first.
          { issuer: config.getOrThrow('MCP_AUTH_ISSUER'), algorithms: ['RS256'] },
          // Signs otherwise, and says the same things in other claims.
          {
            issuer: config.getOrThrow('PARTNER_ISSUER'),
            algorithms: ['ES256'],
            claims: { scopes: 'scp', clientId: 'app', subject: '/user/id' },
          },
        ],
        // An issuer for each tenant: not published, and looked up when a token names one that is not above.
        trustedIssuer: (issuer: string) => tenants.find(issuer),
        scopes: { required: ['notes:read'] },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class AppModule {}
