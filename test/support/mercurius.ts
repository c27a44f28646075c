import { jest } from '@jest/globals';

// Mercurius uses it for its page for browsers. Jest cannot load it on Node.js 20, because it requires an ECMAScript module.
jest.mock('@fastify/static', () => async () => undefined);

export const { MercuriusDriver } = await import('@nestjs/mercurius');
