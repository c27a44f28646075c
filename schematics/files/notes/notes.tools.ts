import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, type McpAuthInfo, RequireScopes } from 'nestjs-mcp-auth';
import { z } from 'zod';
import { NotesService } from './notes.service.js';

/** Notes belong to `principalKey`, which differs for users of different issuers, even if their subjects are equal. */
@McpController()
export class NotesTools {
  constructor(private readonly notes: NotesService) {}

  @Tool({ name: 'whoami', description: 'Tell who is calling' })
  whoami(@AuthInfo() auth: McpAuthInfo) {
    return { subject: auth.subject, scopes: auth.scopes };
  }

  @Tool({ name: 'list-notes', description: 'List your notes' })
  @RequireScopes('notes:read')
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return { notes: this.notes.list(auth.principalKey) };
  }

  @Tool({
    name: 'add-note',
    description: 'Add a note',
    parameters: z.object({ text: z.string() }),
  })
  @RequireScopes('notes:write')
  addNote(@Payload() note: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    return this.notes.add(auth.principalKey, note.text);
  }

  @Tool({
    name: 'delete-note',
    description: 'Delete one of your notes',
    parameters: z.object({ id: z.string() }),
  })
  @RequireScopes('notes:write')
  deleteNote(@Payload() note: { id: string }, @AuthInfo() auth: McpAuthInfo) {
    return { deleted: this.notes.delete(auth.principalKey, note.id) };
  }
}
