import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpStrategy, Tool } from '@rekog/mcp-nest';
import { McpAuthModule, type McpAuthModuleOptions, type PolicyContext } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { StdioLikeTransport } from '../support/stdio-like-transport.js';

// Options that concern every handler, at handlers without a decorator: their framework calls them without the guard.

const ran: string[] = [];

@McpController()
class Undecorated {
  @Tool({ name: 'plain', description: 'Declares nothing' })
  plain(): object {
    ran.push('plain');
    return { content: [{ type: 'text', text: 'ran' }] };
  }
}

const VARIABLE = 'EVERY_HANDLER_TEST_TOKEN';
const resource = 'https://mcp.example.com/mcp';

describe.each(PLATFORMS)('a tool without a decorator, on %s', (platform) => {
  const servers: NotesServer[] = [];
  let issuer: TestIssuer | undefined;
  let app: INestApplication | undefined;
  beforeEach(() => void (ran.length = 0));
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
    await app?.close();
    await issuer?.close();
    [app, issuer] = [undefined, undefined];
    delete process.env[VARIABLE];
  });

  async function callOverStdio(options: Partial<McpAuthModuleOptions>, scope?: string): Promise<unknown> {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: resource });
    if (scope !== undefined) process.env[VARIABLE] = await issuer.mint({ scope });
    const transport = new StdioLikeTransport();
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const all = { resource, authorizationServers: [issuer.issuer], checkAuthorizationServers: false, ...options };
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(all as McpAuthModuleOptions)],
      controllers: [Undecorated],
    }).compile();
    app = module.createNestApplication(adapterFor(platform), { logger: false });
    // Without `inheritAppConfig`, no global guard runs before its handlers.
    app.connectMicroservice({ strategy });
    await app.startAllMicroservices();
    return (await transport.call('plain')).result;
  }

  const REFUSED = { isError: true, content: [{ text: 'Authorization is required.' }] };
  const rule = { scopes: { annotations: { destructiveHint: ['w'] } } };
  const needed = { scopes: { required: ['w'] } };
  const stdio = { tokenEnv: VARIABLE };

  it.each<[string, Partial<McpAuthModuleOptions>, string | undefined, object]>([
    ['runs over stdio without such options', {}, undefined, { content: [{ text: 'ran' }] }],
    ['is refused over stdio with a policy for the whole server', { authorize: () => true }, undefined, REFUSED],
    ['is refused over stdio with scopes by annotations', rule, undefined, REFUSED],
    ['is refused over stdio if every request needs a scope', needed, undefined, REFUSED],
    ['is refused without the scope that every request needs', { ...needed, stdio }, 'a', { isError: true }],
    ['runs with the scope that every request needs', { ...needed, stdio }, 'w', { content: [{ text: 'ran' }] }],
    ['runs if stdio is trusted, without it', { ...needed, stdio: 'trust' }, undefined, { content: [{ text: 'ran' }] }],
    ['runs if stdio is trusted', { authorize: () => false, stdio: 'trust' }, undefined, { content: [{ text: 'ran' }] }],
    ['runs for a caller whom the policy allows', { authorize: () => true, stdio }, 'a', { content: [{ text: 'ran' }] }],
    ['is refused if the policy denies', { authorize: () => false, stdio }, 'a', { isError: true }],
    ['is refused without the scopes', { ...rule, stdio }, 'a', { isError: true }],
    ['runs with the scopes', { ...rule, stdio }, 'w', { content: [{ text: 'ran' }] }],
  ])('%s', async (_what, options, scope, expected) => {
    expect(await callOverStdio(options, scope)).toMatchObject(expected);
    expect(ran).toEqual('isError' in expected ? [] : ['plain']);
  });

  it.each([true, false])(
    'is decided for the application that was called, whose policy comes first: %s',
    async (first) => {
      // It denies at the handler only, where the framework has left out the argument.
      const authorize = ({ operation, args }: PolicyContext): boolean =>
        operation === undefined || Object.keys(args as object).length > 0;
      for (const options of first ? [{ authorize }, {}] : [{}, { authorize }]) {
        const settings = { issuer: { alg: 'ES256' }, controllers: [Undecorated], options } as const;
        servers.push(await startNotesServer(platform, settings));
      }
      const [strict, plain] = first ? servers : servers.toReversed();
      const statusOf = async (server: NotesServer | undefined): Promise<number | undefined> =>
        (await server?.callTool('plain', await server.mint(), { x: 1 }))?.status;
      expect([await statusOf(strict), await statusOf(plain)]).toEqual([403, 200]);
      expect(ran).toEqual(['plain']);
      await strict?.close();
      expect(await statusOf(plain)).toBe(200);
      servers.splice(servers.indexOf(strict!), 1);
    },
  );
});
