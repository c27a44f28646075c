/** An MCP server on @rekog/mcp-nest with one tool. With the library, the tool needs a scope. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { RequireScopes } from '../../dist/index.js';
import { decorate } from '../decorate.js';

const transport = new StreamableHttpTransport({ statefulMode: false });
export const strategy = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport], logging: false });

class McpEndpoint extends McpHttpControllerFor(transport) {}
Controller('mcp')(McpEndpoint);

/** @param {import('./subjects.js').Protection} protection */
export function mcpModule({ imports = [], providers = [] }) {
  class NotesTools {
    list() {
      return { content: [{ type: 'text', text: 'Water the plants' }] };
    }
  }
  // Without the module of the library, Nest cannot start with a decorated tool.
  const needs = imports.length > 0 ? [RequireScopes('notes:read')] : [];
  decorate(NotesTools, 'list', [Tool({ name: 'list-notes', description: 'List your notes' }), ...needs]);
  McpController()(NotesTools);

  class AppModule {}
  Module({ imports, providers, controllers: [McpEndpoint, NotesTools] })(AppModule);
  return AppModule;
}
