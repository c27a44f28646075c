import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { McpAuthModule, ProtectedResource, RequireScopes } from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { callTool } from './rpc.js';

/** The code of docs/guides/several-resources.md, and what the page says of it. */

const port = await freePort();
const origin = `http://127.0.0.1:${port}`;
const issuer = await TestIssuer.start({ alg: 'ES256' });

const notesTransport = new StreamableHttpTransport();
const billingTransport = new StreamableHttpTransport();

// #region controllers
@Controller('notes/mcp')
@ProtectedResource('notes')
class NotesEndpoint extends McpHttpControllerFor(notesTransport) {}

@Controller('billing/mcp')
@ProtectedResource('billing')
class BillingEndpoint extends McpHttpControllerFor(billingTransport) {}

@McpController({ server: 'billing' })
@ProtectedResource('billing')
class BillingTools {
  @Tool({ name: 'pay', description: 'Pay an invoice' })
  @RequireScopes('billing:pay')
  pay() {
    return { paid: true };
  }
}
// #endregion

@Module({
  imports: [
    // #region options
    McpAuthModule.forRoot({
      resources: [
        {
          id: 'notes',
          resource: `${origin}/notes/mcp`,
          authorizationServers: [issuer.issuer],
          scopes: { required: ['notes:read'] },
        },
        {
          id: 'billing',
          resource: `${origin}/billing/mcp`,
          authorizationServers: [{ issuer: issuer.issuer, profile: 'rfc9068' }],
          scopes: { required: ['billing:read'] },
        },
      ],
      clockToleranceSeconds: 10,
    }),
    // #endregion
  ],
  controllers: [NotesEndpoint, BillingEndpoint, BillingTools],
})
class AppModule {}

let app: INestApplication;
beforeAll(async () => {
  app = (await Test.createTestingModule({ imports: [AppModule] }).compile()).createNestApplication({ logger: false });
  for (const [server, transport] of [
    ['notes', notesTransport],
    ['billing', billingTransport],
  ] as const) {
    app.connectMicroservice({
      strategy: new McpStrategy({ name: server, version: '1.0.0', server, transports: [transport], logging: false }),
    });
  }
  await app.startAllMicroservices();
  await app.listen(port, '127.0.0.1');
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

it('publishes one metadata document for each, and none at the root', async () => {
  const read = (path: string): Promise<Response> => fetch(`${origin}/.well-known/oauth-protected-resource${path}`);
  expect(await (await read('/billing/mcp')).json()).toMatchObject({ resource: `${origin}/billing/mcp` });
  expect(await (await read('/notes/mcp')).json()).toMatchObject({ resource: `${origin}/notes/mcp` });
  expect((await read('')).status).toBe(404);
});

it('refuses the token of one at the other', async () => {
  const token = await issuer.mint({ aud: `${origin}/notes/mcp`, scope: 'notes:read billing:read billing:pay' });
  const refused = await callTool(`${origin}/billing/mcp`, 'pay', token);
  expect(refused.status).toBe(401);
  const [challenge] = parseChallenges(refused.headers.get('www-authenticate') ?? '');
  expect(challenge?.params['resource_metadata']).toBe(`${origin}/.well-known/oauth-protected-resource/billing/mcp`);
});

it('adds the baseline of the resource to what the tool needs', async () => {
  const claims = { aud: `${origin}/billing/mcp` };
  const refused = await callTool(
    `${origin}/billing/mcp`,
    'pay',
    await issuer.mint({ ...claims, scope: 'billing:read' }),
  );
  expect(parseChallenges(refused.headers.get('www-authenticate') ?? '')[0]?.params['scope']).toBe(
    'billing:read billing:pay',
  );
  const paid = await callTool(
    `${origin}/billing/mcp`,
    'pay',
    await issuer.mint({ ...claims, scope: 'billing:read billing:pay' }),
  );
  expect(paid.status).toBe(200);
});
