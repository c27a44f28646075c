import { Resolver, Tool } from '@nestjs-mcp/server';
import { AuthInfo, type McpAuthInfo, RequireScopes } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { NotesService } from './notes.service';

/**
 * Tools for `@nestjs-mcp/server`: methods of a resolver, which it calls with the arguments and an object of the SDK; without
 * `paramsSchema`, with that object alone. `@AuthInfo()` replaces the parameter that it decorates with the caller.
 */
@Resolver()
export class NotesTools {
  constructor(private readonly notes: NotesService) {}

  @Tool({ name: 'whoami', description: 'Tell who is calling, and what they may do' })
  whoami(@AuthInfo() auth: McpAuthInfo) {
    return answer({ subject: auth.subject, client: auth.clientId, scopes: auth.scopes });
  }

  @Tool({ name: 'list-notes', description: 'List your notes' })
  @RequireScopes('notes:read')
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return answer({ notes: this.notes.list(auth.principalKey) });
  }

  // #region tools
  @Tool({ name: 'add-note', description: 'Add a note', paramsSchema: { text: z.string() } })
  @RequireScopes('notes:write')
  addNote({ text }: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    return answer(this.notes.add(auth.principalKey, text));
  }
  // #endregion

  @Tool({ name: 'delete-note', description: 'Delete one of your notes', paramsSchema: { id: z.string() } })
  @RequireScopes('notes:write')
  deleteNote({ id }: { id: string }, @AuthInfo() auth: McpAuthInfo) {
    return answer({ deleted: this.notes.delete(auth.principalKey, id) });
  }
}

/** The framework wants the result as MCP sends it. */
function answer(value: object) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value) }] };
}
