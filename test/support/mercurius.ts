import { jest } from '@jest/globals';

// Mercurius serves its page for browsers with it. Jest cannot load it on Node.js 20, since it requires an ECMAScript module.
jest.mock('@fastify/static', () => async () => undefined);

export const { MercuriusDriver } = await import('@nestjs/mercurius');
