import { readFileSync } from 'node:fs';
import { SchematicError } from './schematic-error.js';

/** The members of a package.json that are read and written. All others stay as they are. */
export interface Manifest {
  readonly type?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface ManifestAdditions {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const CONFIG_FOR_NEST: Readonly<Record<number, string>> = { 11: '^4.0.0', 12: '^12.0.0' };

/** The packages that the example imports, and their peers: not every package manager installs peers. */
const EXAMPLE: Readonly<Record<string, string>> = {
  '@modelcontextprotocol/core': '^2.4.0',
  '@modelcontextprotocol/node': '^2.1.2',
  '@modelcontextprotocol/server': '^2.4.0',
  '@rekog/mcp-nest': '^2.0.5',
  zod: '^4.3.5',
};

/** The additions for the Nest version of an application. @throws {SchematicError} if that version is not supported */
export function manifestAdditions(
  manifest: Manifest,
  devServerScript: string,
  withExample: boolean,
): ManifestAdditions {
  const nest = nestMajor(manifest);
  const config = CONFIG_FOR_NEST[nest];
  if (config === undefined) {
    throw new SchematicError(
      `package.json has @nestjs/core ${manifest.dependencies?.['@nestjs/core'] ?? '(none)'}.`,
      'Nest 11 or 12 is needed.',
    );
  }
  return {
    scripts: { 'auth:dev': `node ${devServerScript}` },
    dependencies: {
      '@nestjs/config': config,
      ...(withExample && { '@nestjs/microservices': `^${nest}.0.0`, ...EXAMPLE }),
    },
    devDependencies: { 'oidc-provider': ownPeer('oidc-provider') },
  };
}

/** Adds missing scripts and packages. A package is present with any version, in either list of dependencies. */
export function addToManifest(text: string, additions: ManifestAdditions): string {
  const manifest = JSON.parse(text) as Manifest;
  const isThere = (name: string): boolean => name in { ...manifest.dependencies, ...manifest.devDependencies };
  const dependencies = without(additions.dependencies, isThere);
  const devDependencies = without(additions.devDependencies, isThere);
  const scripts = without(additions.scripts, (name) => name in (manifest.scripts ?? {}));
  const added = {
    ...manifest,
    ...(hasAny(scripts) && { scripts: { ...manifest.scripts, ...scripts } }),
    ...(hasAny(dependencies) && { dependencies: sorted({ ...manifest.dependencies, ...dependencies }) }),
    ...(hasAny(devDependencies) && { devDependencies: sorted({ ...manifest.devDependencies, ...devDependencies }) }),
  };
  if (!hasAny({ ...scripts, ...dependencies, ...devDependencies })) return text;
  const end = text.slice(text.trimEnd().length);
  const json = JSON.stringify(added, null, /^[ \t]+/m.exec(text)?.[0] ?? 2);
  return (text.includes('\r\n') ? json.replaceAll('\n', '\r\n') : json) + end;
}

/** Whether the packages differ, and must be installed. */
export function hasOtherPackages(before: string, after: string): boolean {
  const packages = (text: string): string => {
    const { dependencies, devDependencies } = JSON.parse(text) as Manifest;
    return JSON.stringify([dependencies, devDependencies]);
  };
  return packages(before) !== packages(after);
}

/** Whether Jest runs the tests as CommonJS, as in applications of Nest CLI 11. */
export function hasCommonJsJest(manifest: string): boolean {
  const { type, devDependencies } = JSON.parse(manifest) as Manifest;
  return type !== 'module' && 'ts-jest' in (devDependencies ?? {});
}

function nestMajor({ dependencies }: Manifest): number {
  return Number(/\d+/.exec(dependencies?.['@nestjs/core'] ?? dependencies?.['@nestjs/common'] ?? '')?.[0]);
}

/** The version range in the peer dependencies of this library. */
function ownPeer(name: string): string {
  const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly peerDependencies: Readonly<Record<string, string>>;
  };
  return own.peerDependencies[name] ?? '*';
}

const hasAny = (entries: object): boolean => Object.keys(entries).length > 0;

const without = (entries: Readonly<Record<string, string>>, isThere: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => !isThere(name)));

/** Sorts entries as package managers do. */
const sorted = (entries: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(entries).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
