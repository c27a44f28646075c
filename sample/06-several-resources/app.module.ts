import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesHttpController, TasksHttpController } from './mcp-http.controllers.js';
import { NotesServerTools, TasksServerTools } from './tools.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resources: [
          {
            id: 'notes',
            resource: `${config.getOrThrow('PUBLIC_ORIGIN')}/notes/mcp`,
            authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
            scopes: { required: ['notes:read'] },
            metadata: { resourceName: 'Notes' },
          },
          {
            id: 'tasks',
            resource: `${config.getOrThrow('PUBLIC_ORIGIN')}/tasks/mcp`,
            authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
            scopes: { required: ['tasks:read'] },
            metadata: { resourceName: 'Tasks' },
          },
        ],
      }),
    }),
  ],
  controllers: [NotesHttpController, NotesServerTools, TasksHttpController, TasksServerTools],
  providers: [NotesService],
})
export class AppModule {}
