import type { HttpAdapterHost } from '@nestjs/core';

/**
 * The HTTP adapter of the application; undefined in an application context or a microservice, although Nest's type says
 * otherwise.
 */
export function httpAdapterOf(host: HttpAdapterHost): HttpAdapterHost['httpAdapter'] | undefined {
  return host.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
}
