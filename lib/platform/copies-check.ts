import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import {
  copiesProblem,
  COPY_MARK,
  COPY_METADATA,
  otherCopies,
  THIS_COPY,
  type Copy,
} from '../caller/package-copies.js';
import { decoratedParameters } from '../handlers/decorated-parameters.js';

/** Finds handlers that another copy of this package decorated: its declarations may mean something else. */
@Injectable()
export class CopiesCheck {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** @throws {McpAuthConfigError} naming each such class and method, and the copies. */
  check(): void {
    if (otherCopies().length === 0) return;
    const wrappers = [...this.discovery.getControllers(), ...this.discovery.getProviders()];
    const classes = new Set(wrappers.flatMap(({ metatype }) => (typeof metatype === 'function' ? [metatype] : [])));
    const problems = [...classes].flatMap((classRef) => this.#problemsOf(classRef));
    if (problems.length > 0) throw new McpAuthConfigError(problems);
  }

  #problemsOf(classRef: { readonly name: string; readonly prototype?: unknown }): ConfigProblem[] {
    const prototype = classRef.prototype as Record<string, unknown> | undefined;
    if (!prototype) return [];
    const ofClass = isOfAnother(classRef)
      ? [copiesProblem(classRef.name, 'a decorator of another copy of nestjs-mcp-auth')]
      : [];
    return this.scanner.getAllMethodNames(prototype).reduce((problems, name) => {
      const option = `${classRef.name}.${name}`;
      if (isOfAnother(prototype[name] as object))
        problems.push(copiesProblem(option, 'a decorator of another copy of nestjs-mcp-auth'));
      if (hasParameterOfAnother(classRef, name))
        problems.push(copiesProblem(option, '@AuthInfo() of another copy of nestjs-mcp-auth'));
      return problems;
    }, ofClass);
  }
}

function isOfAnother(target: object): boolean {
  const marks = (Reflect.getMetadata(COPY_METADATA, target) ?? []) as readonly Copy[];
  return marks.some((copy) => copy !== THIS_COPY);
}

function hasParameterOfAnother(classRef: object, methodName: string): boolean {
  return decoratedParameters(classRef, methodName).some(({ factory }) => {
    const copy = (factory as { readonly [COPY_MARK]?: Copy } | undefined)?.[COPY_MARK];
    return copy !== undefined && copy !== THIS_COPY;
  });
}
