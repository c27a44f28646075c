/** `@swc/jest`, which gets the source with mutants in place of each file that has some. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import swcJest from '@swc/jest';
import { instrumentedFile, ROOT } from './places.js';

export default {
  createTransformer(options) {
    const swc = swcJest.createTransformer(options);
    const withMutants = (source, file) => {
      const instrumented = instrumentedFile(relative(ROOT, file));
      return existsSync(instrumented) ? readFileSync(instrumented, 'utf8') : source;
    };
    return {
      ...swc,
      process: (source, file, ...rest) => swc.process(withMutants(source, file), file, ...rest),
      processAsync: (source, file, ...rest) => swc.processAsync(withMutants(source, file), file, ...rest),
      getCacheKey: (source, file, ...rest) =>
        createHash('sha256')
          .update(swc.getCacheKey(source, file, ...rest))
          .update(withMutants(source, file))
          .digest('hex'),
    };
  },
};
