import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { AbstractHttpAdapter } from '@nestjs/core';

/** How a server accepts TLS connections. */
export interface HttpsOptions {
  readonly key: string;
  readonly cert: string;
  /** Whether it asks clients for their certificates. */
  readonly requestCert?: boolean;
  /** Whether it accepts only certificates that a known authority has issued. @default true */
  readonly rejectUnauthorized?: boolean;
}

/** The HTTP platforms on which every black-box test runs. */
export const PLATFORMS = ['express', 'fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

export function adapterFor(platform: Platform, https?: HttpsOptions): AbstractHttpAdapter {
  if (platform === 'express') return new ExpressAdapter();
  return https ? new FastifyAdapter({ https }) : new FastifyAdapter();
}

/** The request that a platform passes to `@Req()`: Node's request, or a wrapper of it. */
export interface PlatformRequest extends IncomingMessage {
  readonly raw?: IncomingMessage;
  readonly body?: unknown;
}

/** The response that a platform passes to `@Res()`: Node's response, or a wrapper of it. */
export interface PlatformResponse extends ServerResponse {
  readonly raw?: ServerResponse;
  /** Tells Fastify that the application answers by itself. */
  hijack?(): void;
}

/** Listens on a free port of 127.0.0.1 and returns the origin. */
export async function listen(app: INestApplication): Promise<string> {
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return `http://127.0.0.1:${port}`;
}
