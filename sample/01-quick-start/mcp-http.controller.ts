// First, because Node.js before 20.20 must load it before the CommonJS package that requires it.
import '@nestjs/microservices';
import { Controller } from '@nestjs/common';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';

/** Without sessions. With `SESSIONS=true` each client has one, which some clients need for messages from the server. */
const transport = new StreamableHttpTransport({ statefulMode: process.env.SESSIONS === 'true' });

export const mcp = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport] });

/**
 * An ordinary Nest route: the guard runs before it. A route that the transport mounts itself would bypass the guard.
 */
@Controller('mcp')
export class McpHttpController extends McpHttpControllerFor(transport) {}
