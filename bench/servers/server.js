/** One application in a process of its own. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { answer } from '../child.js';
import { SUBJECTS } from './subjects.js';

answer({
  async start(id, settings) {
    const { platform, application, protection } = SUBJECTS[id];
    const { default: protect } = await import(`./${protection}.js`);
    const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    const app = await (application === 'mcp' ? mcpApp : notesApp)(protect(settings), adapter);
    await app.listen(0, '127.0.0.1');
    return app.getUrl();
  },
  version() {
    return process.version;
  },
  /** Processor time of this process so far, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});

async function notesApp(protection, adapter) {
  const { notesModule } = await import('./notes.js');
  return NestFactory.create(notesModule(protection), adapter, { logger: ['error'] });
}

async function mcpApp(protection, adapter) {
  const { mcpModule, strategy } = await import('./mcp.js');
  const app = await NestFactory.create(mcpModule(protection), adapter, { logger: ['error'] });
  app.connectMicroservice({ strategy });
  await app.startAllMicroservices();
  return app;
}
