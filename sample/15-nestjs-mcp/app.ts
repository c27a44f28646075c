import 'reflect-metadata';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

/** Creates the notes server, ready to listen. The framework needs Express. */
export function createApp(resource: string, issuer: string): Promise<INestApplication> {
  // In production, the environment sets these two.
  process.env.MCP_AUTH_RESOURCE = resource;
  process.env.MCP_AUTH_ISSUER = issuer;
  return NestFactory.create(AppModule, { logger: ['warn', 'error'], forceCloseConnections: true });
}

/** The port, which must be known first because the resource identifier contains it: the preferred one, or 0 for any. */
export async function freePort(preferred = 0): Promise<number> {
  const probe = createServer().listen(preferred, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
