import type { SchematicContext, Tree } from '../../lib/schematics/tree.js';

/** A tree of files in memory, as a schematic gets it. */
export class MemoryTree implements Tree {
  readonly files: Map<string, string>;

  constructor(files: Readonly<Record<string, string>>) {
    this.files = new Map(Object.entries(files));
  }

  exists(path: string): boolean {
    return this.files.has(path);
  }

  read(path: string): Uint8Array | null {
    const content = this.files.get(path);
    return content === undefined ? null : new TextEncoder().encode(content);
  }

  create(path: string, content: string): void {
    if (this.exists(path)) throw new Error(`${path} already exists`);
    this.files.set(path, content);
  }

  overwrite(path: string, content: string): void {
    if (!this.exists(path)) throw new Error(`${path} does not exist`);
    this.files.set(path, content);
  }

  getDir(path: string) {
    return {
      visit: (visitor: (path: string) => void): void => {
        for (const file of this.files.keys()) if (file.startsWith(`${path}/`)) visitor(`/${file}`);
      },
    };
  }

  text(path: string): string {
    return this.files.get(path) ?? '';
  }
}

/** A context that keeps what was said and scheduled. */
export class RecordingContext implements SchematicContext {
  readonly messages: string[] = [];
  readonly tasks: { name: string; options: object }[] = [];
  readonly logger = { info: (message: string): void => void this.messages.push(message) };

  addTask(task: { toConfiguration(): { name: string; options: object } }): void {
    this.tasks.push(task.toConfiguration());
  }
}
