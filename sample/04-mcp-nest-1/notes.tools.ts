import { Injectable } from '@nestjs/common';
import { Tool } from '@rekog/mcp-nest';
import { AuthInfo, type McpAuthInfo, RequireScopes } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { NotesService } from './notes.service';

/**
 * Tools for version 1 of `@rekog/mcp-nest`: methods of an ordinary provider, which it calls with the arguments, a
 * context and the request. `@AuthInfo()` replaces the parameter that it decorates with the caller.
 */
@Injectable()
export class NotesTools {
  constructor(private readonly notes: NotesService) {}

  @Tool({ name: 'whoami', description: 'Tell who is calling, and what they may do' })
  whoami(@AuthInfo() auth: McpAuthInfo) {
    return { subject: auth.subject, client: auth.clientId, scopes: auth.scopes };
  }

  @Tool({ name: 'list-notes', description: 'List your notes' })
  @RequireScopes('notes:read')
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return { notes: this.notes.list(auth.principalKey) };
  }

  // #region mcp-nest-1
  @Tool({ name: 'add-note', description: 'Add a note', parameters: z.object({ text: z.string() }) })
  @RequireScopes('notes:write')
  addNote({ text }: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    return this.notes.add(auth.principalKey, text);
  }
  // #endregion

  @Tool({ name: 'delete-note', description: 'Delete one of your notes', parameters: z.object({ id: z.string() }) })
  @RequireScopes('notes:write')
  deleteNote({ id }: { id: string }, @AuthInfo() auth: McpAuthInfo) {
    return { deleted: this.notes.delete(auth.principalKey, id) };
  }
}
