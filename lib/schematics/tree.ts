/**
 * What is used of the `Tree` and the `SchematicContext` of `@angular-devkit/schematics`, which hands them in. It is no
 * dependency of this library: whoever runs a schematic has it.
 */
export interface Tree {
  exists(path: string): boolean;
  read(path: string): Uint8Array | null;
  create(path: string, content: string): void;
  overwrite(path: string, content: string): void;
  getDir(path: string): { visit(visitor: (path: string) => void): void };
}

export interface SchematicContext {
  readonly logger: { info(message: string): void };
  addTask(task: { toConfiguration(): { name: string; options: object } }): unknown;
}

export function readText(tree: Tree, path: string): string | undefined {
  const content = tree.exists(path) ? tree.read(path) : null;
  return content === null ? undefined : new TextDecoder().decode(content);
}
