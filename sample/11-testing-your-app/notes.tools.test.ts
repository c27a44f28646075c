import { beforeEach, describe, expect, it } from '@jest/globals';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../02-official-sdk/notes.tools.js';

/**
 * Unit tests: what a tool does for a given caller. The tool does not decide whether a caller may call it;
 * app.e2e.test.ts tests that.
 */
describe('NotesTools', () => {
  let tools: NotesTools;

  beforeEach(() => {
    tools = new NotesTools(new NotesService());
  });

  /** The members of a caller that these tools use. */
  const caller = (principalKey: string): McpAuthInfo => ({ principalKey }) as McpAuthInfo;
  const [alice, bob] = [caller('alice'), caller('bob')];

  it('lists the notes that the caller added', () => {
    const note = tools.addNote({ text: 'Buy milk' }, alice);
    expect(tools.listNotes(alice)).toEqual({ notes: [note] });
  });

  it('neither shows nor deletes the notes of another user', () => {
    const note = tools.addNote({ text: 'Buy milk' }, alice);
    expect(tools.listNotes(bob)).toEqual({ notes: [] });
    expect(tools.deleteNote({ id: note.id }, bob)).toEqual({ deleted: false });
    expect(tools.listNotes(alice)).toEqual({ notes: [note] });
  });
});
