import { Controller, Module } from '@nestjs/common';
import { NotesService } from './notes.service.js';
import { NotesTools } from './notes.tools.js';
// Last: Node.js below 20.20 wants @nestjs/microservices loaded before it.
import {
  McpHttpControllerFor,
  McpStrategy,
  StreamableHttpTransport,
} from '@rekog/mcp-nest';

const transport = new StreamableHttpTransport();

/** What main.ts connects. */
export const mcp = new McpStrategy({
  name: 'notes',
  version: '1.0.0',
  transports: [transport],
});

/** An ordinary route, so that the guard runs before the MCP server does. */
@Controller('mcp')
class McpHttpController extends McpHttpControllerFor(transport) {}

@Module({
  controllers: [McpHttpController, NotesTools],
  providers: [NotesService],
})
export class NotesModule {}
