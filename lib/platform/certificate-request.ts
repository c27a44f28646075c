import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { logger } from '../observability/logger.js';
import { ResolvedOptions } from '../options/options.js';
import { httpAdapterOf } from './http-adapter.js';

/** What to do about a server that cannot know the certificates of its clients. */
const WRITE =
  'Write httpsOptions: { key, cert, requestCert: true, rejectUnauthorized: false } in the options of NestFactory.create(), or for ' +
  'Fastify https: { … } in those of its adapter; or, behind a proxy, name its header field in mutualTls.certificate';

/**
 * Warns of an HTTP server that does not ask clients for their certificates, although a resource takes them from the connection.
 * Does not refuse it: the application may serve by another server than the one that Nest has made.
 */
@Injectable()
export class CertificateRequest {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly options: ResolvedOptions,
  ) {}

  /** Call it once at the start. Does nothing in an application without HTTP. */
  check(): void {
    const resources = this.options.resources.filter(({ mutualTls }) => mutualTls?.certificate === 'connection');
    const server = httpAdapterOf(this.host)?.getHttpServer() as { readonly requestCert?: unknown } | undefined;
    if (resources.length === 0 || !server || server.requestCert === true) return;
    const ids = resources.map(({ id }) => `"${id}"`).join(', ');
    logger.warn(
      `mutualTls of ${ids} takes client certificates from the connection, but the HTTP server of the application does not ask ` +
        `clients for any. Every token that is bound to one is refused. ${WRITE}`,
    );
  }
}
