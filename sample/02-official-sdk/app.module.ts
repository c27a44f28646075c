import { Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { McpSdkModule } from 'nestjs-mcp-auth/sdk';
import { NotesService } from '../01-quick-start/notes.service.js';
import { McpHttpController } from './mcp-http.controller.js';
import { NotesTools } from './notes.tools.js';

// #region official-sdk
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
    McpSdkModule,
  ],
  controllers: [McpHttpController],
  providers: [NotesService, NotesTools],
})
export class AppModule {}
// #endregion
