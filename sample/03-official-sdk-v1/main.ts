import { NestFactory } from '@nestjs/core';
import { run } from '../notes-server/run.js';
import { AppModule } from './app.module.js';

await run((adapter) => NestFactory.create(AppModule, adapter, { logger: ['warn', 'error'], forceCloseConnections: true }));
