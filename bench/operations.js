/**
 * What a decision costs with 10, 100, 1,000 and 5,000 decorated tools: the whole guard, in process, for a call of the
 * last of them. It has to stay the same. Needs `npm run build` in the folder above.
 */
import 'reflect-metadata';
import { Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpAuthGuard, McpAuthModule, RequireScopes } from '../dist/index.js';
import { TestIssuer } from '../dist/testing/index.js';
import { interleaved, machine } from './measure.js';

const resource = 'http://127.0.0.1:3000/mcp';
const issuer = await TestIssuer.start({ alg: 'ES256', audience: resource });
const token = await issuer.mint({ scope: 'tools' });

class Endpoint {
  post() {}
}
decorate(Endpoint, 'post', [Post()]);
Controller('mcp')(Endpoint);

/** @param {number} count */
async function guardWith(count) {
  class Tools {}
  for (let index = 0; index < count; index += 1) {
    const name = `tool-${index}`;
    Object.defineProperty(Tools.prototype, name, { value: { [name]() {} }[name], configurable: true, writable: true });
    decorate(Tools, name, [RequireScopes('tools')]);
    Reflect.defineMetadata('mcp:tool', { name }, Tools.prototype[name]);
  }
  class AppModule {}
  Module({
    imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer.issuer] })],
    controllers: [Endpoint],
    providers: [Tools],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.init();
  const guard = app.get(McpAuthGuard);
  return () => guard.canActivate(contextFor(`tool-${count - 1}`));
}

/** @param {string} tool */
function contextFor(tool) {
  const headers = { host: '127.0.0.1:3000', authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const request = {
    method: 'POST',
    url: '/mcp',
    headers,
    rawHeaders: Object.entries(headers).flat(),
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } },
  };
  const response = { setHeader() {}, appendHeader() {}, getHeader() {}, writeHead() {}, once() {} };
  return {
    getType: () => 'http',
    getClass: () => Endpoint,
    getHandler: () => Endpoint.prototype.post,
    switchToHttp: () => ({ getRequest: () => request, getResponse: () => response }),
  };
}

function decorate(target, name, decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  for (const decorator of decorators) decorator(target.prototype, name, descriptor);
}

const counts = [10, 100, 1_000, 5_000];
const subjects = {};
for (const count of counts) subjects[count] = await guardWith(count);
const results = await interleaved(subjects, { rounds: 40, calls: 2_000 });

console.log(`The guard, in process, for a call of the last tool. ${machine()}\n`);
console.log('| decorated tools | µs per call, median | ratio to 10 tools |\n|---|---|---|');
for (const count of counts) {
  console.log(`| ${count} | ${results[count].toFixed(1)} | ${(results[count] / results[counts[0]]).toFixed(2)} |`);
}
await issuer.close();
