import { NestFactory } from '@nestjs/core';
import { platform } from '../notes-server/platform.js';
import { run } from '../notes-server/run.js';
import { AppModule } from './app.module.js';

await run(async () =>
  NestFactory.create(AppModule, await platform(), { logger: ['warn', 'error'], forceCloseConnections: true }),
);
