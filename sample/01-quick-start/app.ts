import type { Type } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { mcp } from './mcp-http.controller.js';

export async function createApp(adapter: AbstractHttpAdapter, module: Type = AppModule, strategies = [mcp]) {
  const app = await NestFactory.create(module, adapter, { logger: ['warn', 'error'], forceCloseConnections: true });
  for (const strategy of strategies) app.connectMicroservice({ strategy });
  await app.startAllMicroservices();
  return app;
}
