import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpHttpControllerFor, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { AuthInfo, McpAuthModule, type McpAuthInfo } from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { listen } from '../support/platforms.js';
import { bearer, rpcTo } from '../support/rpc.js';

/** The code of docs/guides/tenants.md, and what the page says of it. */

const issuer = await TestIssuer.start({ alg: 'ES256' });
const transport = new StreamableHttpTransport();

const organisations = {
  find: async (name: string | undefined) =>
    new Map([
      ['acme', { isActive: true, plan: 'pro' }],
      ['globex', { isActive: true, plan: 'free' }],
      ['initech', { isActive: false, plan: 'pro' }],
    ]).get(String(name)),
};

// #region controller
@Controller('orgs/:tenant/mcp')
class McpEndpoint extends McpHttpControllerFor(transport) {}

@McpController()
class NotesTools {
  @Tool({ name: 'list-notes', description: 'The notes of the organisation' })
  listNotes(@AuthInfo() auth: McpAuthInfo) {
    return { notesOf: auth.resourceVariables['tenant'], resource: auth.resource.href };
  }
}
// #endregion

/** The options of the page, with the issuer of this test. */
function imported() {
  return [
    // #region options
    McpAuthModule.forRoot({
      resource: 'https://mcp.example.com/orgs/{tenant}/mcp',
      authorizationServers: ['https://login.example.com'],
      resolveTenant: async ({ tenant }) => {
        const organisation = await organisations.find(tenant);
        return organisation?.isActive ? { scopes: { required: [`org:${organisation.plan}`] } } : undefined;
      },
    }),
    // #endregion
  ];
}

let app: INestApplication;
let origin: string;
beforeAll(async () => {
  const [dynamic] = imported();
  const options = dynamic!.providers!.find((provider) => 'useValue' in (provider as object)) as { useValue: object };
  @Module({
    imports: [
      McpAuthModule.forRoot({
        ...(options.useValue as Parameters<typeof McpAuthModule.forRoot>[0]),
        authorizationServers: [issuer.issuer],
        checkAuthorizationServers: false,
      } as Parameters<typeof McpAuthModule.forRoot>[0]),
    ],
    controllers: [McpEndpoint, NotesTools],
  })
  class AppModule {}
  app = (await Test.createTestingModule({ imports: [AppModule] }).compile()).createNestApplication({ logger: false });
  const strategy = new McpStrategy({ name: 'notes', version: '1.0.0', transports: [transport], logging: false });
  app.connectMicroservice({ strategy });
  await app.startAllMicroservices();
  origin = await listen(app);
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

async function call(tenant: string, aud: string, scope: string): Promise<Response> {
  const token = await issuer.mint({ aud: `https://mcp.example.com/orgs/${aud}/mcp`, scope });
  const rpc = rpcTo(`${origin}/orgs/${tenant}/mcp`);
  return rpc('tools/call', { name: 'list-notes', arguments: {} }, bearer(token));
}

it('serves each tenant to tokens for it, and gives the tool its name', async () => {
  const served = await call('acme', 'acme', 'org:pro');
  expect([served.status, await served.text()]).toEqual([200, expect.stringMatching(/notesOf.{3,8}acme/)]);
  expect((await call('globex', 'globex', 'org:free')).status).toBe(200);
  expect((await call('globex', 'acme', 'org:free org:pro')).status).toBe(401);
  expect((await call('acme', 'acme', 'org:free')).status).toBe(403);
});

it('publishes the metadata of each tenant, which its challenges name', async () => {
  const refused = await fetch(`${origin}/orgs/acme/mcp`, { method: 'POST' });
  const [challenge] = parseChallenges(refused.headers.get('www-authenticate') ?? '');
  const url = 'https://mcp.example.com/.well-known/oauth-protected-resource/orgs/acme/mcp';
  expect(challenge?.params['resource_metadata']).toBe(url);
  const metadata = await fetch(`${origin}${new URL(url).pathname}`);
  expect(await metadata.json()).toMatchObject({
    resource: 'https://mcp.example.com/orgs/acme/mcp',
    scopes_supported: ['org:pro'],
  });
});

it('has nothing for a tenant that is disabled, or that does not exist', async () => {
  for (const tenant of ['initech', 'nobody']) {
    expect((await call(tenant, tenant, 'org:pro')).status).toBe(404);
    expect((await fetch(`${origin}/.well-known/oauth-protected-resource/orgs/${tenant}/mcp`)).status).toBe(404);
  }
});
