// #region module
import { Controller, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { mcpAuthConfig, McpAuthModule } from 'nestjs-mcp-auth';
import { NotesTools } from './notes.tools.js';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';

const transport = new StreamableHttpTransport();
export const mcp = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] });

@Controller('mcp')
class McpHttpController extends McpHttpControllerFor(transport) {}

@Module({
  imports: [ConfigModule.forRoot({ isGlobal: true }), McpAuthModule.forRootAsync(mcpAuthConfig.asProvider())],
  controllers: [McpHttpController, NotesTools],
})
export class AppModule {}
// #endregion
