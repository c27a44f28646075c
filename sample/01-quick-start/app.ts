import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { AppModule, mcp } from './app.module.js';

export async function createApp(adapter: AbstractHttpAdapter) {
  const app = await NestFactory.create(AppModule, adapter, { logger: ['warn', 'error'], forceCloseConnections: true });
  app.connectMicroservice({ strategy: mcp });
  await app.startAllMicroservices();
  return app;
}
