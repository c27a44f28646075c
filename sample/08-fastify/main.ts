import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createApp } from '../01-quick-start/app.js';
import { run } from '../notes-server/run.js';

/**
 * The unchanged application of 01-quick-start: module, tools and guard do not depend on the platform. Settings of
 * Fastify are passed to its adapter, not to Nest: `forceCloseConnections`, and in production `trustProxy` and
 * `bodyLimit`.
 */
await run(() => createApp(new FastifyAdapter({ forceCloseConnections: true })));
