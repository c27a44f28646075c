import { transformFile } from '@swc/core';
import type { Plugin } from 'esbuild';

/** Has a bundle of the source contain what is published: esbuild writes no types of constructor parameters, and tsc does. */
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
