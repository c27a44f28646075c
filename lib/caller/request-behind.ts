import type { EventEmitter } from 'node:events';
import type { ArgumentsHost } from '@nestjs/common';
import { methodOfClass } from '../core/class-methods.js';
import { valuesSent, type HeaderSource } from '../request/header-fields.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';

/** Upgrade requests of WebSocket connections, by their socket; noted where Node hands them out. */
const upgrades = new WeakMap<object, HttpRequest>();

/**
 * Notes upgrade requests of a server from the time when somebody else handles them: with a listener of ours alone, Node would
 * leave them without an answer.
 */
export function watchUpgrades(server: EventEmitter): void {
  const note = (request: HttpRequest, socket: object): void => void upgrades.set(socket, request);
  const start = (event: string | symbol): void => {
    if (event !== 'upgrade') return;
    server.off('newListener', start);
    server.prependListener('upgrade', note);
  };
  server.on('newListener', start);
  if (server.listenerCount('upgrade') > 0) start('upgrade');
}

/**
 * The HTTP request that led to a GraphQL resolver or to the handler of a WebSocket message; undefined where it cannot be
 * had. It is read only from what the server makes: the context of GraphQL, and the socket. Arguments and messages of
 * clients are never looked at.
 */
export function requestBehind(host: ArgumentsHost): HttpRequest | undefined {
  switch (host.getType<string>()) {
    case 'graphql':
      return graphqlRequest(host.getArgs<unknown[]>());
    case 'ws':
      return upgradeRequest(host.switchToWs().getClient<unknown>());
    default:
      return undefined;
  }
}

/**
 * A resolver gets parent, arguments, context and info; a reference resolver of a federation no arguments. Nest puts the
 * request into the context as `req`, for subscriptions the context of `graphql-ws`; Mercurius has `reply.request` besides.
 */
function graphqlRequest(args: readonly unknown[]): HttpRequest | undefined {
  const context = memberOf({ context: args.length === 3 ? args[1] : args[2] }, 'context');
  const req = memberOf(context, 'req');
  const candidates = [
    req,
    memberOf(context, 'request'),
    memberOf(memberOf(context, 'reply'), 'request'),
    memberOf(memberOf(req, 'extra'), 'request'),
  ];
  return candidates.find(isHttpRequest);
}

/**
 * Where the credentials of a request behind a handler stand. Those of an upgrade request count as they came: for a
 * subscription, Mercurius writes into its `headers` what the client has said in a message.
 */
export function credentialsBehind(request: HttpRequest): HeaderSource {
  const { headers, rawHeaders } = nodeRequest(request);
  if (headers['upgrade'] === undefined || rawHeaders === undefined) return request;
  return { headers: { authorization: valuesSent(rawHeaders, 'authorization') } };
}

/** A socket of socket.io has its first request; one of `ws` has nothing but the connection. */
function upgradeRequest(client: unknown): HttpRequest | undefined {
  const request = memberOf(client, 'request');
  if (isHttpRequest(request)) return request;
  const socket = memberOf(client, '_socket');
  return socket && upgrades.get(socket);
}

function memberOf(value: unknown, name: string): object | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const member = (value as Record<string, unknown>)[name];
  return typeof member === 'object' && member !== null ? member : undefined;
}

/** A request of Node's or Fastify's. Both are instances of classes, which nothing becomes that a client has sent. */
export function isHttpRequest(value: unknown): value is HttpRequest {
  if (typeof value !== 'object' || value === null) return false;
  const { headers, raw } = value as Partial<HttpRequest>;
  return typeof headers === 'object' && headers !== null && methodOfClass(raw ?? value, 'on') !== undefined;
}
