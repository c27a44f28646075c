import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createApp } from '../01-quick-start/app.js';
import { run } from '../notes-server/run.js';

/**
 * The application of 01-quick-start as it is: module, tools and guard know nothing of the platform. What Fastify has settings
 * for is said here, not to Nest: `forceCloseConnections`, and in production `trustProxy` and `bodyLimit`.
 */
await run(() => createApp(new FastifyAdapter({ forceCloseConnections: true })));
