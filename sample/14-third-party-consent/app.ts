import { randomBytes } from 'node:crypto';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import type { startAcmeCode } from './acme-code.js';
import { AppModule } from './app.module.js';

/** Creates the application, with the settings that the environment of a real one has. */
export async function createApp(adapter: AbstractHttpAdapter, acme: Awaited<ReturnType<typeof startAcmeCode>>) {
  process.env.ACME_ISSUER = acme.issuer;
  process.env.ACME_API = acme.api;
  // The same for all replicas.
  process.env.CONSENT_SECRET = randomBytes(32).toString('hex');
  return NestFactory.create(AppModule, adapter, { logger: ['warn', 'error'], forceCloseConnections: true });
}
