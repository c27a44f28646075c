import type { Abstract, Type } from '@nestjs/common';
import { ModulesContainer, type ModuleRef } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';

/** What a provider of the application is used for. */
export interface ProviderUse<T> {
  /** Where its class is written, for errors. */
  readonly option: string;
  /** Whether what Nest provides can be used. */
  readonly isUsable: (value: unknown) => value is T;
  /** The method that it must have, for errors. */
  readonly method: string;
}

/**
 * Finds the provider of the application that the options name by its class: the provider of that class in any module, or else
 * a new instance, if Nest can provide the parameters of its constructor.
 *
 * @throws {McpAuthConfigError} when there is none, or none in the default scope.
 */
export async function findProvider<T>(
  modules: ModuleRef,
  type: Type<T> | Abstract<T>,
  { option, isUsable, method }: ProviderUse<T>,
): Promise<T> {
  let found: unknown;
  try {
    found = provider(modules, type) ?? (await modules.create(type as Parameters<ModuleRef['create']>[0]));
  } catch (error) {
    throw unusable(option, type, error instanceof Error ? firstLine(error.message) : 'Nest cannot provide it');
  }
  if (!isUsable(found)) throw unusable(option, type, `what Nest provides for it has no method \`${method}\``);
  return found;
}

/** The provider of that class; undefined if no module of the application has one. */
function provider(modules: ModuleRef, type: Type | Abstract<unknown>): unknown {
  const containers = [...modules.get(ModulesContainer, { strict: false }).values()];
  const isProvided = containers.some(({ providers, injectables }) =>
    [providers, injectables].some((all) => all.has(type)),
  );
  return isProvided ? modules.get(type, { strict: false }) : undefined;
}

function unusable(option: string, type: { readonly name: string }, why: string): McpAuthConfigError {
  const write = 'List it among the providers of a module, in the default scope';
  return new McpAuthConfigError([{ option, seen: `the class ${type.name}`, why, write }]);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
