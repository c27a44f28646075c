/** Imports Nest, then the library, in a fresh process. */
import { answer } from '../child.js';

answer({
  /**
   * Returns how long the import of the library takes, in milliseconds: on the clock, and of processor time.
   *
   * @param {string} library URL of its entry file
   */
  async measure(library) {
    await import('reflect-metadata');
    await import('@nestjs/common');
    await import('@nestjs/core');
    await import('@nestjs/platform-express');
    const start = performance.now();
    const cpu = process.cpuUsage();
    await import(library);
    const elapsed = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    return { node: process.version, elapsed, cpu: (user + system) / 1_000 };
  },
});
