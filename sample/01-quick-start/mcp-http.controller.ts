// First: Node.js below 20.20 wants it loaded before the CommonJS package that requires it.
import '@nestjs/microservices';
import { Controller } from '@nestjs/common';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';

/** Without sessions; with `SESSIONS=true` a client keeps one, as some need for messages from the server. */
const transport = new StreamableHttpTransport({ statefulMode: process.env.SESSIONS === 'true' });

export const mcp = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] });

/** An ordinary Nest route, so that the guard runs before it; a route which the transport mounts by itself would pass it by. */
@Controller('mcp')
export class McpHttpController extends McpHttpControllerFor(transport) {}
