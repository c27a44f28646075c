import type { Type } from '@nestjs/common';
import { injectedToken } from '../caller/injected-token.js';
import type { ConfigProblem } from '../core/error.js';
import { showValue } from '../core/safe-text.js';
import type { ResolvedOptions } from '../options/options.js';
import { decoratedParameters } from './decorated-parameters.js';
import { lineageOf, namesOf } from './lineage.js';

/** Reports each `@DownstreamToken()` on a method of a class that names an API which the option `downstream` does not have. */
export function unknownApis(
  classRef: Type<object>,
  { downstream }: Pick<ResolvedOptions, 'downstream'>,
): ConfigProblem[] {
  return namesOf(lineageOf(classRef)).flatMap((methodName) =>
    decoratedParameters(classRef, methodName)
      .filter(({ factory, data }) => factory === injectedToken && !downstream.some(({ name }) => name === data))
      .map(({ data }) => ({
        option: `@DownstreamToken() of ${classRef.name}.${String(methodName)}`,
        seen: showValue(data),
        why: 'the option downstream has no API of this name, so the handler could never run',
        write: `${knownOf(downstream)}, or add this one to the option downstream`,
      })),
  );
}

function knownOf(downstream: ResolvedOptions['downstream']): string {
  if (downstream.length === 0) return 'There is none. Remove the parameter';
  return `Write one of ${downstream.map(({ name }) => `"${name}"`).join(', ')}`;
}
