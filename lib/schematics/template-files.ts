import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** A file that is written unchanged if it does not exist yet. */
export interface TemplateFile {
  readonly path: string;
  readonly content: string;
}

const TEMPLATES = new URL('../../schematics/files/', import.meta.url);

export const DEV_SERVER_SCRIPT = 'mcp-auth.dev-server.mjs';

/** The files of the example, an MCP server for notes. Relative imports have the extension that the application uses. */
export function exampleFiles(sourceRoot: string, importExtension: string): TemplateFile[] {
  return readdirSync(new URL('notes/', TEMPLATES))
    .toSorted()
    .map((name) => ({
      path: posix.join(sourceRoot, 'notes', name),
      content: template(`notes/${name}`).replaceAll(/(from '\.[^']*)\.js'/g, `$1${importExtension}'`),
    }));
}

/** The script that runs the development authorization server, with the scopes of the example or without scopes. */
export function devServerScript(withExample: boolean): TemplateFile {
  const script = template(DEV_SERVER_SCRIPT);
  const content = withExample ? script : script.replace(/scopes: \{[^}]*\}/, 'scopes: {}');
  return { path: DEV_SERVER_SCRIPT, content };
}

const template = (path: string): string => readFileSync(new URL(path, TEMPLATES), 'utf8');
