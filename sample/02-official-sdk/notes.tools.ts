import { Injectable } from '@nestjs/common';
import { AuthInfo, type McpAuthInfo, RequireScopes } from 'nestjs-mcp-auth';
import { Args, McpTool } from 'nestjs-mcp-auth/sdk';
import { z } from 'zod';
import { NotesService } from '../01-quick-start/notes.service.js';

/** The tools of 01-quick-start, as methods of an ordinary provider. */
@Injectable()
export class NotesTools {
  constructor(private readonly notes: NotesService) {}

  @McpTool({ name: 'whoami', description: 'Tell who is calling, and what they may do' })
  whoami(@AuthInfo() auth: McpAuthInfo) {
    return { subject: auth.subject, client: auth.clientId, scopes: auth.scopes };
  }

  @McpTool({ name: 'list-notes', description: 'List your notes' })
  @RequireScopes('notes:read')
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return { notes: this.notes.list(auth.principalKey) };
  }

  // #region official-sdk
  @McpTool({ name: 'add-note', description: 'Add a note', inputSchema: z.object({ text: z.string() }) })
  @RequireScopes('notes:write')
  addNote(@Args() { text }: { text: string }, @AuthInfo() auth: McpAuthInfo) {
    return this.notes.add(auth.principalKey, text);
  }
  // #endregion

  @McpTool({ name: 'delete-note', description: 'Delete one of your notes', inputSchema: z.object({ id: z.string() }) })
  @RequireScopes('notes:write')
  deleteNote(@Args() { id }: { id: string }, @AuthInfo() auth: McpAuthInfo) {
    return { deleted: this.notes.delete(auth.principalKey, id) };
  }
}
