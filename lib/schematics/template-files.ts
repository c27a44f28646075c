import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** A file that is written as it is, where there is none yet. */
export interface TemplateFile {
  readonly path: string;
  readonly content: string;
}

const TEMPLATES = new URL('../../schematics/files/', import.meta.url);

export const DEV_SERVER_SCRIPT = 'mcp-auth.dev-server.mjs';

/** The example: an MCP server of notes, with relative imports as the application writes them. */
export function exampleFiles(sourceRoot: string, importExtension: string): TemplateFile[] {
  return readdirSync(new URL('notes/', TEMPLATES))
    .toSorted()
    .map((name) => ({
      path: posix.join(sourceRoot, 'notes', name),
      content: template(`notes/${name}`).replaceAll(/(from '\.[^']*)\.js'/g, `$1${importExtension}'`),
    }));
}

/** The script that runs the development authorization server; it offers the scopes of the example, or none yet. */
export function devServerScript(withExample: boolean): TemplateFile {
  const script = template(DEV_SERVER_SCRIPT);
  const content = withExample ? script : script.replace(/scopes: \{[^}]*\}/, 'scopes: {}');
  return { path: DEV_SERVER_SCRIPT, content };
}

const template = (path: string): string => readFileSync(new URL(path, TEMPLATES), 'utf8');
