// First: Node.js below 20.20 wants it loaded before the CommonJS package that requires it.
import '@nestjs/microservices';
import { Controller } from '@nestjs/common';
import { McpHttpControllerFor, McpStrategy, StreamableHttpTransport } from '@rekog/mcp-nest';
import { ProtectedResource } from 'nestjs-mcp-auth';

const notes = new StreamableHttpTransport();
const tasks = new StreamableHttpTransport();

/** Two MCP servers. A controller of tools belongs to the one it names as its `server`, or to the one without a name. */
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
