import type { Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpAuthModule, ProtectedResource } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { McpCaller } from '../support/mcp-caller.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { stateEndpoint, SharedStores } from '../support/state-endpoints.js';

describe.each(PLATFORMS)('the same user at two protected resources, on %s', (platform) => {
  const shared = new SharedStores();
  let app: INestApplication;
  let issuer: TestIssuer;
  let origin: string;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256' });
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    const ids = ['notes', 'billing'] as const;
    const controllers = ids.map((id) => {
      const endpoint = stateEndpoint(id, { sessions: false, json: true }, shared);
      ProtectedResource(id)(endpoint);
      return endpoint;
    });
    const resources = ids.map((id) => ({ id, resource: `${origin}/${id}`, authorizationServers: [issuer.issuer] }));
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot({ resources, checkAuthorizationServers: false } as never)],
      controllers,
    }).compile();
    app = module.createNestApplication(adapterFor(platform), { logger: false });
    await app.listen(port, '127.0.0.1');
  });
  afterAll(async () => {
    (app.getHttpServer() as Server).closeAllConnections();
    await app.close();
    await issuer.close();
    shared.taskStore.cleanup();
  });

  it('LIB-23: reaches with a token for one no task that was created with a token for the other', async () => {
    const at = async (id: string): Promise<McpCaller> =>
      new McpCaller(`${origin}/${id}`, await issuer.mint({ sub: 'alice', aud: `${origin}/${id}` }));
    const taskId = await (await at('notes')).createTask('report');
    expect((await (await at('notes')).ask('tasks/get', { taskId })).result).toMatchObject({ taskId });
    expect((await (await at('billing')).ask('tasks/get', { taskId })).error?.code).toBe(-32_602);
    expect((await (await at('billing')).ask('tasks/list', {})).result).toMatchObject({ tasks: [] });
  });
});
