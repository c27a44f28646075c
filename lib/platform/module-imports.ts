import type { ModulesContainer } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { copiesProblem, MODULE_MARK, otherCopies } from '../caller/package-copies.js';
import { IMPORTS_METADATA } from '../handlers/nest-metadata.js';
import type { NestModule } from './injection.js';

/** The members that are read from an entry of `imports`: a class, or the result of `forRoot()` or `forRootAsync()`. */
interface Import {
  readonly module?: unknown;
  readonly providers?: readonly { readonly provide?: unknown; readonly useValue?: unknown }[];
}

/**
 * Refuses an application that imports the module more than once, or without options: with two instances of the guard,
 * their order would decide which tokens are accepted.
 *
 * @param optionsToken of the options in the providers of the module
 * @throws {McpAuthConfigError} that names every import, and the option `resources`.
 */
export function checkImports(modules: ModulesContainer, optionsToken: string | symbol): void {
  const instances = [...modules.values()].filter(({ metatype }) => isMcpAuthModule(metatype));
  const configured = instances.filter(({ providers }) => providers.has(optionsToken));
  if (instances.length < 2 && configured.length > 0) return;
  const imports = [...modules.values()].flatMap((module) => importsOf(module, optionsToken));
  const isOfSeveralCopies = new Set(instances.map(({ metatype }) => metatype)).size > 1 && otherCopies().length > 0;
  throw new McpAuthConfigError([
    ...(isOfSeveralCopies ? [copiesProblem('imports', 'McpAuthModule of several copies')] : []),
    configured.length > 1
      ? importedTwice(
          configured.map(({ providers }) => resourcesIn(providers.get(optionsToken)?.instance)),
          imports,
        )
      : importedBare(imports),
  ]);
}

function importedTwice(resources: readonly string[], imports: readonly FoundImport[]): ConfigProblem {
  const found = imports.filter(({ hasOptions }) => hasOptions).map(described);
  const seen = found.length > 1 ? found : resources;
  return {
    option: 'imports',
    seen: `McpAuthModule ${resources.length} times: ${seen.join('; ')}`,
    why: 'each import would put its own guard on every route, and no guard may trust the decision of another',
    write:
      'Import it once, in the root module, and list every protected resource under the option `resources`, each with its ' +
      'own authorizationServers; declare the resource of each controller with @ProtectedResource(id)',
  };
}

function importedBare(imports: readonly FoundImport[]): ConfigProblem {
  const configured = imports.find(({ hasOptions }) => hasOptions);
  const bare = imports.filter(({ hasOptions }) => !hasOptions).map(({ importer }) => importer);
  return {
    option: 'imports',
    seen: `McpAuthModule without options${bare.length > 0 ? `, in ${bare.join(', ')}` : ''}`,
    why: 'the module needs the options of forRoot() or forRootAsync()',
    write: configured
      ? `Leave this import out: the module is global after one import with options, as in ${configured.importer}`
      : 'Write imports: [McpAuthModule.forRoot({ resource, authorizationServers })] in the root module',
  };
}

interface FoundImport {
  readonly importer: string;
  readonly hasOptions: boolean;
  readonly resources: string;
}

function importsOf({ metatype }: NestModule, optionsToken: string | symbol): FoundImport[] {
  const imports =
    (Reflect.getMetadata(IMPORTS_METADATA, metatype) as readonly (Import | undefined)[] | undefined) ?? [];
  return imports.flatMap((one) => {
    const hasOptions = isMcpAuthModule(one?.module);
    if (!hasOptions && !isMcpAuthModule(one)) return [];
    const options = one?.providers?.find(({ provide }) => provide === optionsToken)?.useValue;
    return [{ importer: metatype.name, hasOptions, resources: resourcesIn(options) }];
  });
}

function described({ importer, resources }: FoundImport): string {
  return `in ${importer} ${resources}`.trimEnd();
}

function resourcesIn(options: unknown): string {
  const { resource, resources } = (options ?? {}) as { readonly resource?: unknown; readonly resources?: unknown };
  const listed: unknown[] = Array.isArray(resources)
    ? resources.map((one: { readonly resource?: unknown } | null) => one?.resource)
    : [resource];
  const names = listed.filter((one) => typeof one === 'string').map((one) => `"${one}"`);
  return names.length > 0 ? `for ${names.join(', ')}` : '';
}

function isMcpAuthModule(value: unknown): boolean {
  return typeof value === 'function' && MODULE_MARK in value;
}
