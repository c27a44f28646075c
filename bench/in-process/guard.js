/** Calls the guard of an application as Nest does, without a network. */
import 'reflect-metadata';
import { Controller, Get, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpAuthGuard, McpAuthModule, RequireScopes } from '../../dist/index.js';
import { decorate } from '../decorate.js';
import { RESOURCE } from '../resource.js';

class Endpoint {
  post() {}
}
decorate(Endpoint, 'post', [Post()]);
Controller('mcp')(Endpoint);

class Notes {
  list() {}
}
decorate(Notes, 'list', [Get()]);
Controller('notes')(Notes);

/**
 * Returns the guard of an application with tools named `tool-0`, `tool-1` and so on, which need the scope `tools`.
 *
 * @param {{ tools: number, issuer: string, options?: object }} settings `options`: further options of the module
 */
export async function guardOf({ tools, issuer, options }) {
  class AppModule {}
  Module({
    imports: [McpAuthModule.forRoot({ resource: RESOURCE, authorizationServers: [issuer], ...options })],
    controllers: [Endpoint, Notes],
    providers: [toolsClass(tools)],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.init();
  return app.get(McpAuthGuard);
}

/** @param {string} token @param {object} [headers] */
export function plainRequest(token, headers = {}) {
  return contextOf(Notes, 'list', {
    method: 'GET',
    url: '/notes',
    headers: { ...headersWith(token), accept: 'application/json', ...headers },
  });
}

/** @param {string} token @param {string} tool */
export function toolCall(token, tool) {
  return contextOf(Endpoint, 'post', {
    method: 'POST',
    url: '/mcp',
    headers: { ...headersWith(token), 'content-type': 'application/json' },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } },
  });
}

/** @param {number} count */
function toolsClass(count) {
  class Tools {}
  for (let index = 0; index < count; index += 1) {
    const name = `tool-${index}`;
    Object.defineProperty(Tools.prototype, name, { value: { [name]() {} }[name], configurable: true, writable: true });
    decorate(Tools, name, [RequireScopes('tools')]);
    Reflect.defineMetadata('mcp:tool', { name }, Tools.prototype[name]);
  }
  return Tools;
}

function headersWith(token) {
  return { host: new URL(RESOURCE).host, authorization: `Bearer ${token}` };
}

/** The context that Nest passes to the guard on Express. Its response ignores every call. */
function contextOf(type, handler, { headers, ...message }) {
  const request = { ...message, headers, rawHeaders: Object.entries(headers).flat() };
  const response = { setHeader() {}, appendHeader() {}, getHeader() {}, writeHead() {}, once() {} };
  return {
    getType: () => 'http',
    getClass: () => type,
    getHandler: () => type.prototype[handler],
    switchToHttp: () => ({ getRequest: () => request, getResponse: () => response }),
  };
}
