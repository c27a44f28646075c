import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Scope, type Provider, type Type } from '@nestjs/common';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';

/** One copy of this package in the process. A monorepo, or a linked package, can have several. */
export interface Copy {
  /** A file of the copy. */
  readonly file: string;
  /** Number of running applications with the module of this copy. */
  running: number;
  /** The classes that Nest may inject, by name. */
  injectables: Readonly<Record<string, object>>;
}

/** The key of `globalThis` under which all copies register. */
const COPIES = Symbol.for('nestjs-mcp-auth:copies');

/** The key under which a parameter decorator names its copy. */
export const COPY_MARK = Symbol.for('nestjs-mcp-auth:copy');

/** The metadata key under which the decorators of all copies name their copy. */
export const COPY_METADATA = 'nestjs-mcp-auth:copy';

const PACKAGE = 'nestjs-mcp-auth';

export const THIS_COPY: Copy = { file: ownFile(), running: 0, injectables: {} };

const copies = ((globalThis as { [COPIES]?: Copy[] })[COPIES] ??= []);
copies.push(THIS_COPY);

/** The other copies that are loaded so far. */
export function otherCopies(): readonly Copy[] {
  return copies.filter((copy) => copy !== THIS_COPY);
}

/** A problem caused by several copies, with the version and the path of each. */
export function copiesProblem(option: string, seen: string): ConfigProblem {
  return {
    option,
    seen,
    why: `an application works with one copy of ${PACKAGE}, and this process has loaded ${copies.length}: ${copies.map(described).join('; ')}`,
    write:
      `Let every package of the application resolve the same copy: list ${PACKAGE} as a peer dependency of ` +
      'libraries that only use its decorators, and install it once, at one version',
  };
}

/**
 * The error of what needs the module, in an application without it.
 *
 * @param what a class that decorators bind to handlers, or a function that the application calls
 */
export function moduleMissing(what: string): McpAuthConfigError {
  if (copies.length > 1)
    return new McpAuthConfigError([
      copiesProblem('imports', `${what} of another copy of ${PACKAGE} than McpAuthModule`),
    ]);
  const how = what.endsWith('()') ? '' : ', as @RequireScopes() and the like bind it,';
  const seen = `${what}${how} in an application without McpAuthModule`;
  const write = 'Import McpAuthModule.forRoot({ resource, authorizationServers }) in the root module';
  return new McpAuthConfigError([{ option: 'imports', seen, why: 'it needs the providers of that module', write }]);
}

/**
 * Providers for the injectables of other copies, whose error explains the problem better than Nest's missing
 * dependency. Created only on injection.
 */
export function providersOfOtherCopies(): Provider[] {
  return otherCopies().flatMap(({ injectables }) =>
    Object.entries(injectables).map(([name, provide]): Provider => {
      const useFactory = (): never => {
        throw new McpAuthConfigError([
          copiesProblem('imports', `${name} of one copy injected, and McpAuthModule of another imported`),
        ]);
      };
      return { provide: provide as Type, useFactory, scope: Scope.TRANSIENT };
    }),
  );
}

function described({ file }: Copy): string {
  return `${versionAt(file)} at ${file}`;
}

/**
 * The path of this file, read from a stack. With `import.meta`, Jest could not load the package in CommonJS
 * applications.
 */
function ownFile(): string {
  const [, top = ''] = String(new Error().stack).split('\n');
  const [, place] = /\bat (?:.*? \()?((?:file:|\/|[a-z]:\\).*):\d+:\d+\)?$/i.exec(top) ?? [];
  if (place === undefined) return 'an unknown place';
  return place.startsWith('file:') ? fileURLToPath(place) : place;
}

/** The version of the package that contains the file. Read only for an error. */
function versionAt(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: unknown;
        version?: unknown;
      };
      if (name === PACKAGE) return `version ${String(version)}`;
    } catch {
      // No package.json here.
    }
  }
  return 'an unknown version';
}

/**
 * Marks the class of the module for every copy of this package in the process.
 */
export const MODULE_MARK = Symbol.for('nestjs-mcp-auth:module');
