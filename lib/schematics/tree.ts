/**
 * The members of `Tree` and `SchematicContext` that are used. `@angular-devkit/schematics` passes them in; it is not a
 * dependency of this library, because every command that runs schematics contains it.
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

/** The TypeScript files of an application, without tests and declarations. */
export function sourceFiles(tree: Tree, sourceRoot: string): string[] {
  const paths: string[] = [];
  tree.getDir(sourceRoot).visit((path) => {
    if (/(?<!\.d|\.spec|\.test|-spec)\.ts$/.test(path) && !path.includes('/node_modules/'))
      paths.push(path.replace(/^\//, ''));
  });
  return paths;
}

export function readText(tree: Tree, path: string): string | undefined {
  const content = tree.exists(path) ? tree.read(path) : null;
  return content === null ? undefined : new TextDecoder().decode(content);
}
