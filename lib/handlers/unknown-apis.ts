import type { Type } from '@nestjs/common';
import { injectedToken } from '../caller/injected-token.js';
import type { ConfigProblem } from '../core/error.js';
import { showValue } from '../core/safe-text.js';
import type { ResolvedOptions } from '../options/options.js';
import { decoratedParameters } from './decorated-parameters.js';
import { lineageOf, namesOf } from './lineage.js';

/**
 * Reports each `@DownstreamToken()` on a method of a class that names an API which the option `downstream` does not have, or whose
 * tokens are bound to a key.
 */
export function unknownApis(
  classRef: Type<object>,
  { downstream }: Pick<ResolvedOptions, 'downstream'>,
): ConfigProblem[] {
  return namesOf(lineageOf(classRef)).flatMap((methodName) =>
    decoratedParameters(classRef, methodName)
      .filter(({ factory, data }) => factory === injectedToken && !named(data, downstream)?.isUsable)
      .map(({ data }) => ({
        option: `@DownstreamToken() of ${classRef.name}.${String(methodName)}`,
        seen: showValue(data),
        ...(named(data, downstream) ? BOUND : unknown(downstream)),
      })),
  );
}

/** The API of this name, and whether its token can be injected: one that is bound to a key is of no use without proofs. */
function named(name: unknown, downstream: ResolvedOptions['downstream']): { readonly isUsable: boolean } | undefined {
  const api = downstream.find((one) => one.name === name);
  return api && { isUsable: !api.dpop };
}

const BOUND = {
  why: 'this API has dpop, so its token is of no use without a proof for each request',
  write: 'Inject McpAuthDownstream, and call fetch or headersFor',
};

function unknown(downstream: ResolvedOptions['downstream']): Pick<ConfigProblem, 'why' | 'write'> {
  return {
    why: 'the option downstream has no API of this name, so the handler could never run',
    write: `${knownOf(downstream)}, or add this one to the option downstream`,
  };
}

function knownOf(downstream: ResolvedOptions['downstream']): string {
  if (downstream.length === 0) return 'No API is configured. Remove the parameter';
  return `Write one of ${downstream.map(({ name }) => `"${name}"`).join(', ')}`;
}
