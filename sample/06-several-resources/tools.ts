import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, type McpAuthInfo, ProtectedResource, RequireScopes } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { NotesTools } from '../01-quick-start/notes.tools.js';

/** The tools of 01-quick-start, on the MCP server without a name. */
@McpController()
@ProtectedResource('notes')
export class NotesServerTools extends NotesTools {}

/** The tools of the other MCP server. */
@McpController({ server: 'tasks' })
@ProtectedResource('tasks')
export class TasksServerTools {
  private readonly done: { task: string; by: string | undefined }[] = [];

  @Tool({ name: 'list-done', description: 'List what was done' })
  listDone() {
    return { done: this.done };
  }

  @Tool({ name: 'finish', description: 'Say that a task is done', parameters: z.object({ task: z.string() }) })
  @RequireScopes('tasks:finish')
  finish(@Payload() { task }: { task: string }, @AuthInfo() auth: McpAuthInfo) {
    this.done.push({ task, by: auth.subject });
    return { done: this.done };
  }
}
