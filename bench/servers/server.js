/** Runs one application in its own process. */
import 'reflect-metadata';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { answer } from '../child.js';
import { startProfile, stopProfile } from '../profile/recorder.js';
import { SUBJECTS } from './subjects.js';

const LOOPBACK = '127.0.0.1';

answer({
  /**
   * Starts the application. Its resource identifier names the port it listens on, so requests need no other `Host`.
   *
   * @param {string} id
   * @param {{ issuer: string, jwksUri: string, alg: string }} settings
   */
  async start(id, settings) {
    const { platform, application, protection } = SUBJECTS[id];
    const { default: protect } = await import(`./${protection}.js`);
    const port = await freePort();
    const url = `http://${LOOPBACK}:${port}`;
    const resource = `${url}/mcp`;
    const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    const app = await (application === 'mcp' ? mcpApp : notesApp)(protect({ ...settings, resource }), adapter);
    await app.listen(port, LOOPBACK);
    return { url, resource };
  },
  version() {
    return process.version;
  },
  /** Processor time of this process so far, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  startProfile,
  stopProfile,
});

/** Finds a free port. The options of the library contain it, so it must be known before the application listens. */
async function freePort() {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

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
