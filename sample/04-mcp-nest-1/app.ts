import 'reflect-metadata';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module';

/** Makes the notes server, on Express or with `PLATFORM=fastify` on Fastify, ready to listen. */
export function createApp(resource: string, issuer: string, module: Type = AppModule): Promise<INestApplication> {
  // In production these two come with the environment.
  process.env.MCP_AUTH_RESOURCE = resource;
  process.env.MCP_AUTH_ISSUER = issuer;
  const adapter = process.env.PLATFORM === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  return NestFactory.create(module, adapter, { logger: ['warn', 'error'], forceCloseConnections: true });
}

/** The identifier of the resource names the port, so that has to be known first: the preferred one, or 0 for any. */
export async function freePort(preferred = 0): Promise<number> {
  const probe = createServer().listen(preferred, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}
