import type { HttpAdapterHost } from '@nestjs/core';

/** What the application serves HTTP with. Undefined in an application context or a microservice, whatever Nest's type says. */
export function httpAdapterOf(host: HttpAdapterHost): HttpAdapterHost['httpAdapter'] | undefined {
  return host.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
}
