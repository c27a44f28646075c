// #region tools
import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, type McpAuthInfo, RequireScopes } from 'nestjs-mcp-auth';
import { z } from 'zod';

const notes = new Map<string, string[]>();

@McpController()
export class NotesTools {
  @Tool({ name: 'list-notes', description: 'List your notes' })
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return { notes: notes.get(auth.principalKey) ?? [] };
  }

  @Tool({ name: 'add-note', description: 'Add a note', parameters: z.object({ text: z.string() }) })
  @RequireScopes('notes:write')
  addNote(@Payload() { text }: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    notes.set(auth.principalKey, [...(notes.get(auth.principalKey) ?? []), text]);
    return { added: text };
  }
}
// #endregion
