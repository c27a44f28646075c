// First, because Node.js before 20.20 must load it before the CommonJS package that requires it.
import '@nestjs/microservices';
import { Controller } from '@nestjs/common';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';
import { ProtectedResource } from 'nestjs-mcp-auth';

const notes = new StreamableHttpTransport();
const tasks = new StreamableHttpTransport();

/**
 * Two MCP servers. A tool controller belongs to the server that it names as `server`, or to the server without a name.
 */
export const strategies = [
  new McpStrategy({ name: 'notes', version: '1.0.0', transports: [notes] }),
  new McpStrategy({ name: 'tasks', server: 'tasks', version: '1.0.0', transports: [tasks] }),
];

@Controller('notes/mcp')
@ProtectedResource('notes')
export class NotesHttpController extends McpHttpControllerFor(notes) {}

@Controller('tasks/mcp')
@ProtectedResource('tasks')
export class TasksHttpController extends McpHttpControllerFor(tasks) {}
