import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';

export interface Note {
  id: string;
  text: string;
}

/** Notes in memory. Owners can reach only their own notes. */
@Injectable()
export class NotesService {
  private readonly notes = new Map<string, Note[]>();

  list(owner: string): Note[] {
    return this.notes.get(owner) ?? [];
  }

  add(owner: string, text: string): Note {
    const note = { id: randomUUID(), text };
    this.notes.set(owner, [...this.list(owner), note]);
    return note;
  }

  delete(owner: string, id: string): boolean {
    const before = this.list(owner);
    const after = before.filter((note) => note.id !== id);
    this.notes.set(owner, after);
    return after.length < before.length;
  }
}
