import { Controller, Module } from '@nestjs/common';
import { NotesService } from './notes.service.js';
import { NotesTools } from './notes.tools.js';
// Last, because Node.js before 20.20 must load @nestjs/microservices before it.
import {
  McpHttpControllerFor,
  McpStrategy,
  StreamableHttpTransport,
} from '@rekog/mcp-nest';

const transport = new StreamableHttpTransport();

/** The MCP server, which main.ts connects. */
export const mcp = new McpStrategy({
  name: 'notes',
  version: '1.0.0',
  transports: [transport],
});

/** An ordinary Nest route: the guard runs before the MCP server. */
@Controller('mcp')
class McpHttpController extends McpHttpControllerFor(transport) {}

@Module({
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class NotesModule {}
