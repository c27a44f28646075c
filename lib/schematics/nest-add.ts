import { addMcpAuth, type NestAddOptions } from './add-mcp-auth.js';
import { formatterOf } from './formatter.js';
import type { SchematicContext, Tree } from './tree.js';

/** The schematic that `nest add nestjs-mcp-auth` runs in the directory of the application. */
export function nestAdd(options: NestAddOptions): (tree: Tree, context: SchematicContext) => Promise<void> {
  return async (tree, context) => addMcpAuth(tree, context, options, await formatterOf(process.cwd()));
}
