import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpHttpController } from '../01-quick-start/mcp-http.controller.js';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../01-quick-start/notes.tools.js';
import { CalendarTools } from './calendar.tools.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('MCP_AUTH_RESOURCE'),
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
        downstream: {
          calendar: {
            grant: 'token-exchange' as const,
            clientId: config.getOrThrow('CALENDAR_CLIENT_ID'),
            auth: { method: 'client_secret_basic' as const, clientSecret: config.getOrThrow('CALENDAR_CLIENT_SECRET') },
            // What the calendar calls itself: the exchanged token is for that alone.
            resource: config.getOrThrow('CALENDAR_URL'),
            scopes: ['calendar.read'],
            origins: [new URL(config.getOrThrow<string>('CALENDAR_URL')).origin],
            // If the authorization server wants a consent first, clients ask their user for this scope.
            stepUpScopes: ['calendar'],
          },
        },
        scopes: { required: ['notes:read'] },
      }),
    }),
  ],
  controllers: [McpHttpController, NotesTools, CalendarTools],
  providers: [NotesService],
})
export class AppModule {}
