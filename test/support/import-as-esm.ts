import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Imports of other packages stay imports, also where the package requires them. */
const requiresAsImports: Plugin = {
  name: 'requires-as-imports',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^[^./]/ }, ({ path, kind, namespace }) => {
      if (kind !== 'require-call' || namespace === 'required') return { path, external: true };
      return { path, namespace: 'required' };
    });
    esbuild.onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({
      contents: `export * from ${JSON.stringify(path)};`,
      resolveDir: root,
    }));
  },
};

/**
 * A package that is published as CommonJS only, and requires the ESM packages of Nest 12: Node can load it, but Jest cannot
 * on Node 20. This is its own code, with imports in place of what it requires.
 */
export async function importAsEsm<Module>(name: string): Promise<Module> {
  const folder = mkdtempSync(join(root, 'node_modules', '.esm-'));
  try {
    const outfile = join(folder, 'index.mjs');
    await build({
      entryPoints: [createRequire(import.meta.url).resolve(name)],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'error',
      plugins: [requiresAsImports],
    });
    return ((await import(pathToFileURL(outfile).href)) as { default: Module }).default;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
