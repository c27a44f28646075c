import { ModulesContainer, type ModuleRef } from '@nestjs/core';
import { McpAuthConfigError } from '../core/error.js';
import type { TokenVerifier } from '../core/token-verifier.js';
import { isVerifier, type VerifierClass } from '../options/verifier-option.js';

/**
 * Finds the verifier of the application that the options name by its class: the provider of that class in any module, or else a
 * new instance, if Nest can provide the parameters of its constructor.
 *
 * @throws {McpAuthConfigError} when there is none, or none in the default scope.
 */
export async function findVerifier(modules: ModuleRef, type: VerifierClass): Promise<TokenVerifier> {
  let found: unknown;
  try {
    found = provider(modules, type) ?? (await modules.create(type as Parameters<ModuleRef['create']>[0]));
  } catch (error) {
    throw unusable(type, error instanceof Error ? firstLine(error.message) : 'Nest cannot provide it');
  }
  if (!isVerifier(found)) throw unusable(type, 'what Nest provides for it has no method `verify`');
  return found;
}

/** The provider of that class; undefined if no module of the application has one. */
function provider(modules: ModuleRef, type: VerifierClass): unknown {
  const containers = [...modules.get(ModulesContainer, { strict: false }).values()];
  const isProvided = containers.some(({ providers, injectables }) =>
    [providers, injectables].some((all) => all.has(type)),
  );
  return isProvided ? modules.get(type, { strict: false }) : undefined;
}

function unusable(type: VerifierClass, why: string): McpAuthConfigError {
  const write = 'List it among the providers of a module, in the default scope';
  return new McpAuthConfigError([{ option: 'verifier', seen: `the class ${type.name}`, why, write }]);
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
