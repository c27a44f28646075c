import type { AbstractHttpAdapter } from '@nestjs/core';

/** The HTTP adapter: Express, or Fastify with `PLATFORM=fastify`. */
export async function platform(name = process.env.PLATFORM ?? 'express'): Promise<AbstractHttpAdapter> {
  switch (name) {
    case 'express':
      return new (await import('@nestjs/platform-express')).ExpressAdapter();
    case 'fastify':
      return new (await import('@nestjs/platform-fastify')).FastifyAdapter();
    default:
      throw new Error(`PLATFORM is "${name}"; it can be "express" or "fastify"`);
  }
}
