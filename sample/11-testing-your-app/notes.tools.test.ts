import { beforeEach, describe, expect, it } from '@jest/globals';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import { NotesService } from '../01-quick-start/notes.service.js';
import { NotesTools } from '../02-official-sdk/notes.tools.js';

/**
 * Unit tests: what a tool does for the caller it is given. Whether a caller gets there is not decided in the tool, and so not
 * tested here: see app.e2e.test.ts.
 */
describe('NotesTools', () => {
  let tools: NotesTools;

  beforeEach(() => {
    tools = new NotesTools(new NotesService());
  });

  /** As much of a caller as these tools look at. */
  const caller = (principalKey: string): McpAuthInfo => ({ principalKey }) as McpAuthInfo;
  const [alice, bob] = [caller('alice'), caller('bob')];

  it('lists the notes that the caller added', () => {
    const note = tools.addNote({ text: 'Buy milk' }, alice);
    expect(tools.listNotes(alice)).toEqual({ notes: [note] });
  });

  it('neither shows nor deletes the notes of somebody else', () => {
    const note = tools.addNote({ text: 'Buy milk' }, alice);
    expect(tools.listNotes(bob)).toEqual({ notes: [] });
    expect(tools.deleteNote({ id: note.id }, bob)).toEqual({ deleted: false });
    expect(tools.listNotes(alice)).toEqual({ notes: [note] });
  });
});
