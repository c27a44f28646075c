/**
 * The protection that a file of this folder adds to an application.
 *
 * @typedef {object} Protection
 * @property {import('@nestjs/common').DynamicModule[]} [imports]
 * @property {import('@nestjs/common').Provider[]} [providers]
 * @property {Function} [middleware] for Express, applied as Nest middleware
 */

/**
 * A server that is measured.
 *
 * @typedef {object} Subject
 * @property {string} label
 * @property {string} protection the file of this folder with its protection
 * @property {'express' | 'fastify'} platform
 * @property {'notes' | 'mcp'} application
 */

const THE_LEAST = 'the least: a guard that looks tokens up in a `Map`';
const WITH_JOSE = 'a guard by hand, with jose';
const WITH_FAST_JWT = 'a guard by hand, with fast-jwt and its cache';

/** @type {Record<string, Subject>} */
export const SUBJECTS = {
  unguarded: subject('no guard', 'unguarded'),
  control: subject('no guard, a second process', 'unguarded'),
  lookup: subject(THE_LEAST, 'lookup-guard'),
  lookupWithContext: subject('the same, with the caller in an `AsyncLocalStorage`', 'lookup-guard-with-context'),
  ours: subject('nestjs-mcp-auth', 'nestjs-mcp-auth'),
  oursFollowed: subject('nestjs-mcp-auth, `followCaller: true`', 'nestjs-mcp-auth-followed'),
  oursUncached: subject('nestjs-mcp-auth, `cache: false`', 'nestjs-mcp-auth-uncached'),
  mcpAuth: subject('mcp-auth, `bearerAuth`', 'mcp-auth'),
  mcpSdk: subject('@modelcontextprotocol/express, `requireBearerAuth`, with jose', 'mcp-sdk'),
  expressOauth2: subject('express-oauth2-jwt-bearer, `auth`, and an exception filter', 'express-oauth2-jwt-bearer'),
  joseGuard: subject(WITH_JOSE, 'jose-guard'),
  fastJwtGuard: subject(WITH_FAST_JWT, 'fast-jwt-guard'),
  fastifyUnguarded: subject('no guard', 'unguarded', 'fastify'),
  fastifyControl: subject('no guard, a second process', 'unguarded', 'fastify'),
  fastifyLookup: subject(THE_LEAST, 'lookup-guard', 'fastify'),
  fastifyOurs: subject('nestjs-mcp-auth', 'nestjs-mcp-auth', 'fastify'),
  fastifyFastJwtGuard: subject(WITH_FAST_JWT, 'fast-jwt-guard', 'fastify'),
  fastifyJoseGuard: subject(WITH_JOSE, 'jose-guard', 'fastify'),
  mcpUnguarded: subject('no guard', 'unguarded', 'express', 'mcp'),
  mcpControl: subject('no guard, a second process', 'unguarded', 'express', 'mcp'),
  mcpLookup: subject(THE_LEAST, 'lookup-guard', 'express', 'mcp'),
  mcpOurs: subject('nestjs-mcp-auth', 'nestjs-mcp-auth', 'express', 'mcp'),
  mcpFastJwtGuard: subject(WITH_FAST_JWT, 'fast-jwt-guard', 'express', 'mcp'),
  mcpJoseGuard: subject(WITH_JOSE, 'jose-guard', 'express', 'mcp'),
};

/** Each group compares the others with its first server. */
export const GROUPS = {
  'GET /notes, Express': [
    'unguarded',
    'control',
    'lookup',
    'lookupWithContext',
    'ours',
    'oursFollowed',
    'fastJwtGuard',
    'oursUncached',
    'joseGuard',
    'mcpSdk',
    'mcpAuth',
    'expressOauth2',
  ],
  'GET /notes, Fastify': [
    'fastifyUnguarded',
    'fastifyControl',
    'fastifyLookup',
    'fastifyOurs',
    'fastifyFastJwtGuard',
    'fastifyJoseGuard',
  ],
  'MCP tools/call on @rekog/mcp-nest, Express': [
    'mcpUnguarded',
    'mcpControl',
    'mcpLookup',
    'mcpOurs',
    'mcpFastJwtGuard',
    'mcpJoseGuard',
  ],
};

/** @returns {Subject} */
function subject(label, protection, platform = 'express', application = 'notes') {
  return { label, protection, platform, application };
}
