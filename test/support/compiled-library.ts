import { transformFile } from '@swc/core';
import type { Plugin } from 'esbuild';

/** Compiles the source for a bundle as tsc does: esbuild does not emit the types of constructor parameters. */
export const compiledLibrary: Plugin = {
  name: 'compiled-library',
  setup(build) {
    build.onLoad({ filter: /[\\/]lib[\\/].*\.ts$/ }, async ({ path }) => {
      const { code } = await transformFile(path, {
        configFile: false,
        swcrc: false,
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'es6' },
      });
      return { contents: code, loader: 'js' };
    });
  },
};
