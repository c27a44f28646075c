import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Formats a file with the settings of its application. */
export interface Formatter {
  isFormatted(path: string, text: string): Promise<boolean>;
  format(path: string, text: string): Promise<string>;
}

interface Prettier {
  resolveConfig(file: string, options: { editorconfig: boolean }): Promise<object | null>;
  check(text: string, options: object): Promise<boolean>;
  format(text: string, options: object): Promise<string>;
}

/** Prettier with the settings of the application; undefined if the application does not have it. */
export async function formatterOf(directory: string): Promise<Formatter | undefined> {
  const prettier = await loadPrettier(directory);
  if (prettier === undefined) return undefined;
  const optionsFor = async (path: string): Promise<object> => {
    const filepath = join(directory, path);
    return { ...(await prettier.resolveConfig(filepath, { editorconfig: true })), filepath };
  };
  return {
    isFormatted: async (path, text) => prettier.check(text, await optionsFor(path)),
    format: async (path, text) => prettier.format(text, await optionsFor(path)),
  };
}

async function loadPrettier(directory: string): Promise<Prettier | undefined> {
  try {
    const entry = createRequire(join(directory, 'package.json')).resolve('prettier');
    return ((await import(pathToFileURL(entry).href)) as { readonly default: Prettier }).default;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
