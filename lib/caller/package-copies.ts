import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Scope, type Provider, type Type } from '@nestjs/common';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';

/** One copy of this package in the process. A monorepo, or a linked package, can have several. */
export interface Copy {
  /** A file of the copy. */
  readonly file: string;
  /** How many applications with the module of this copy are running. */
  running: number;
  /** What Nest may be asked to inject, by name. */
  injectables: Readonly<Record<string, object>>;
}

/** Where all copies find each other. */
const COPIES = Symbol.for('nestjs-mcp-auth:copies');

/** By what a parameter decorator says to which copy it belongs. */
export const COPY_MARK = Symbol.for('nestjs-mcp-auth:copy');

/** The metadata key under which the decorators of all copies say whose they are. */
export const COPY_METADATA = 'nestjs-mcp-auth:copy';

const PACKAGE = 'nestjs-mcp-auth';

export const THIS_COPY: Copy = { file: ownFile(), running: 0, injectables: {} };

const copies = ((globalThis as { [COPIES]?: Copy[] })[COPIES] ??= []);
copies.push(THIS_COPY);

/** The other copies that were loaded so far. */
export function otherCopies(): readonly Copy[] {
  return copies.filter((copy) => copy !== THIS_COPY);
}

/** A problem that comes of several copies, with the version and the place of each. */
export function copiesProblem(option: string, seen: string): ConfigProblem {
  return {
    option,
    seen,
    why: `an application works with one copy of ${PACKAGE}, and this process has loaded ${copies.length}: ${copies.map(described).join('; ')}`,
    write:
      `Let every package of the application resolve the same copy: list ${PACKAGE} as a peer dependency where it is only ` +
      'decorated with, and install it once, at the same version',
  };
}

/** Why what a decorator binds finds nothing of the module in the application. */
export function moduleMissing(what: string): McpAuthConfigError {
  if (copies.length > 1)
    return new McpAuthConfigError([
      copiesProblem('imports', `${what} of another copy of ${PACKAGE} than McpAuthModule`),
    ]);
  const seen = `${what}, as @RequireScopes() and the like bind it, in an application without McpAuthModule`;
  const write = 'Import McpAuthModule.forRoot({ resource, authorizationServers }) in the root module';
  return new McpAuthConfigError([{ option: 'imports', seen, why: 'it works with what the module provides', write }]);
}

/** Providers for what another copy would have injected, so that Nest does not say that it is missing. None is made unasked. */
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

/** This file, as a stack names it. With `import.meta` Jest could not load the package into applications that are CommonJS. */
function ownFile(): string {
  const [, top = ''] = String(new Error().stack).split('\n');
  const [, place] = /\bat (?:.*? \()?((?:file:|\/|[a-z]:\\).*):\d+:\d+\)?$/i.exec(top) ?? [];
  if (place === undefined) return 'an unknown place';
  return place.startsWith('file:') ? fileURLToPath(place) : place;
}

/** Of the package that the file belongs to. Read when somebody asks, which is for an error only. */
function versionAt(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: unknown;
        version?: unknown;
      };
      if (name === PACKAGE) return `version ${String(version)}`;
    } catch {
      // Not here.
    }
  }
  return 'an unknown version';
}

/**
 * Tells a class that it is the module, also to another copy of this package in the same process: by that name it is
 * registered in the whole process.
 */
export const MODULE_MARK = Symbol.for('nestjs-mcp-auth:module');
