/**
 * The server under load, in a process of its own. It answers `start` with its URL, sends a sample of itself every second, and
 * ends when its parent does.
 */
import 'reflect-metadata';
import '@nestjs/microservices';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { AuthInfo, McpAuthModule, McpAuthService, RequireScopes } from '../../dist/index.js';
import { freePort } from '../machine/free-port.js';
import { decorate } from '../app/decorate.js';
import { LOGOUT } from './weather.js';

const LOOPBACK = '127.0.0.1';

/** Seconds between two collections of garbage, after which the heap holds only what is in use. */
const COLLECT_SECONDS = 10;

/** Revocations are kept for the longest life of a token, which fills the memory within minutes. */
const REVOCATION = {
  maxTokenLifetimeSeconds: 300,
  revocation: { backChannelLogout: { path: LOGOUT.path, clientIds: [LOGOUT.clientId] } },
};

process.on('disconnect', () => process.exit());
process.once('message', (settings) => void start(settings));

/** @param {{ platform: 'express' | 'fastify', hasSessions: boolean, authorizationServers: object[] }} settings */
async function start({ platform, hasSessions, authorizationServers }) {
  const port = await freePort();
  const url = `http://${LOOPBACK}:${port}`;
  const transport = new StreamableHttpTransport({ statefulMode: hasSessions });
  class McpEndpoint extends McpHttpControllerFor(transport) {}
  Controller('mcp')(McpEndpoint);
  class AppModule {}
  const library = McpAuthModule.forRoot({
    resource: `${url}/mcp`,
    authorizationServers,
    dpop: 'accepted',
    ...REVOCATION,
  });
  Module({ imports: [library], controllers: [McpEndpoint, tools()] })(AppModule);
  const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(AppModule, adapter, { logger: false, abortOnError: false });
  app.connectMicroservice({
    strategy: new McpStrategy({ name: 'soak', version: '1.0.0', transports: [transport], logging: false }),
  });
  await app.startAllMicroservices();
  await app.listen(port, LOOPBACK);
  process.send({ kind: 'started', url });
  sampleForEver();
}

/** Two tools: one tells who calls, by both ways to learn that, and late enough for other calls to come between. */
function tools() {
  class Tools {
    constructor(service) {
      this.service = service;
    }

    async whoami(auth) {
      await sleep(Math.random() * 10);
      const later = this.service.authInfo;
      return { subject: auth.subject, laterSubject: later?.subject, proof: auth.proof?.method ?? null };
    }

    write() {
      return { written: true };
    }
  }
  Inject(McpAuthService)(Tools, undefined, 0);
  decorate(Tools, 'whoami', [Tool({ name: 'whoami', description: 'Who calls' })], [AuthInfo()]);
  decorate(Tools, 'write', [Tool({ name: 'write', description: 'Write' }), RequireScopes('notes:write')]);
  McpController()(Tools);
  return Tools;
}

function sampleForEver() {
  let seconds = 0;
  setInterval(() => {
    seconds += 1;
    if (seconds % COLLECT_SECONDS === 0) globalThis.gc();
    const { rss, heapUsed } = process.memoryUsage();
    const handles = process.getActiveResourcesInfo().length;
    process.send({ kind: 'sample', rss, handles, heap: seconds % COLLECT_SECONDS === 0 ? heapUsed : undefined });
  }, 1_000);
}
