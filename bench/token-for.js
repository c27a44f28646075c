/**
 * What a token for an API costs that is remembered already: `McpAuthDownstream.tokenFor`, for the caller of a request, and for the
 * first call of a new request, which hashes the token of the caller. Prints microseconds. Needs `npm run build` before.
 *
 *     node bench/token-for.js
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpAuthDownstream, McpAuthModule, McpAuthService } from '../dist/index.js';
import { TestIssuer } from '../dist/testing/index.js';

const CALLS = 200_000;
const REQUESTS = 20_000;

const resource = 'http://127.0.0.1:3000/mcp';
const issuer = await TestIssuer.start({ alg: 'ES256', audience: resource, tokenEndpoint: true });
const { clientId, clientSecret } = issuer.tokenClient;
const calendar = {
  grant: 'token-exchange',
  clientId,
  auth: { method: 'client_secret_basic', clientSecret },
  audience: 'calendar',
};

class Root {}
Module({
  imports: [McpAuthModule.forRoot({ resource, authorizationServers: [issuer.issuer], downstream: { calendar } })],
})(Root);

const app = await NestFactory.createApplicationContext(Root, { logger: false });
const downstream = app.get(McpAuthDownstream);
const service = app.get(McpAuthService);
const token = await issuer.mint();
const caller = await service.verify(token);
await downstream.tokenFor('calendar', caller);

/** @param {string} what @param {number} count @param {(index: number) => Promise<unknown>} work */
async function measure(what, count, work) {
  for (let index = 0; index < count / 10; index += 1) await work(index);
  const begin = process.hrtime.bigint();
  for (let index = 0; index < count; index += 1) await work(index);
  const microseconds = Number(process.hrtime.bigint() - begin) / 1_000 / count;
  console.log(`${what}: ${microseconds.toFixed(2)} µs`);
}

await measure('tokenFor, again in a request', CALLS, () => downstream.tokenFor('calendar', caller));
const callers = await Promise.all(Array.from({ length: REQUESTS * 1.1 }, () => service.verify(token)));
let next = 0;
await measure('tokenFor, first in a request', REQUESTS, () => downstream.tokenFor('calendar', callers[next++]));
console.log(`requests to the token endpoint: ${issuer.requestCount('token')}`);

await app.close();
await issuer.close();
