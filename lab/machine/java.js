import { versionOf } from './processes.js';

/**
 * What a product in Java needs and this machine lacks; undefined if it has all.
 *
 * @param {number} least version of Java
 */
export function missingJava(least) {
  const version = Number(/version "(\d+)/.exec(versionOf('java', ['-version']) ?? '')?.[1] ?? 0);
  if (version < least) return `Java ${least} or later`;
  return versionOf('mvn') === undefined ? 'Maven' : undefined;
}
