import type { EventEmitter } from 'node:events';
import type { ArgumentsHost } from '@nestjs/common';
import { methodOfClass } from '../core/class-methods.js';
import { valuesSent, type HeaderSource } from '../request/header-fields.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';

/** Upgrade requests of WebSocket connections, keyed by socket. */
const upgrades = new WeakMap<object, HttpRequest>();

/**
 * Records the upgrade requests of a server as soon as other code listens for them. If this were the only listener, Node
 * would never answer them.
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
 * The HTTP request behind a GraphQL resolver or a WebSocket handler; undefined if it is unknown. Reads only objects
 * that the server creates: the context of GraphQL, and the socket. Does NOT read arguments or messages of clients.
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
 * A resolver gets parent, arguments, context and info; a reference resolver of a federation gets no arguments. Nest
 * puts the request into the context as `req`; for subscriptions, `req` is the context of `graphql-ws`. Mercurius also
 * has `reply.request`.
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
 * The header fields with the credentials of a request behind a handler. For an upgrade request, reads the fields as
 * sent: for a subscription, Mercurius copies content of a client message into `headers`.
 *
 * @param names of further header fields with credentials, in lower case
 */
export function credentialsBehind(request: HttpRequest, names: readonly string[]): HeaderSource {
  const { headers, rawHeaders } = nodeRequest(request);
  if (headers['upgrade'] === undefined || rawHeaders === undefined) return request;
  return {
    headers: Object.fromEntries(
      ['authorization', 'dpop', ...names].map((name) => [name, valuesSent(rawHeaders, name)]),
    ),
  };
}

/** A socket of socket.io has its first request; a socket of `ws` has only the connection. */
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

/**
 * Whether the value is a request of Node or Fastify. Both are instances of classes, which deserialised input never is.
 */
export function isHttpRequest(value: unknown): value is HttpRequest {
  if (typeof value !== 'object' || value === null) return false;
  const { headers, raw } = value as Partial<HttpRequest>;
  return typeof headers === 'object' && headers !== null && methodOfClass(raw ?? value, 'on') !== undefined;
}
