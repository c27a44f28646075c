import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, type Provider, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ResourceTemplate as ResourceTemplateV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { AuthInfo, McpAuthConfigError, McpAuthModule, ProtectedResource, RequireScopes } from 'nestjs-mcp-auth';
import {
  Args,
  McpResource,
  McpSdkBridge,
  McpSdkModule,
  McpTool,
  type RegisterOptions,
  type SdkServer as McpServerLike,
} from 'nestjs-mcp-auth/sdk';
import { z } from 'zod';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { listOf, SDKS, startSdkServer, type SdkServer } from './sdk-server.js';

const ran: string[] = [];

@Injectable()
@ProtectedResource('notes')
class NotesTools {
  @McpTool()
  @RequireScopes('notes:read')
  list(): string {
    ran.push('notes list');
    return 'notes';
  }
}

@Injectable()
@ProtectedResource('billing')
class BillingTools {
  @McpTool()
  @RequireScopes('billing:read')
  list(): string {
    ran.push('billing list');
    return 'bills';
  }
}

@Injectable()
class CommonTools {
  @McpTool()
  whoami(@AuthInfo('subject') subject: string): string {
    ran.push('whoami');
    return subject;
  }
}

describe.each(SDKS)('two servers in one application, on SDK %s', (sdk) => {
  let server: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer(
      {
        sdk,
        providers: [NotesTools, BillingTools, CommonTools],
        endpoints: {
          notes: { id: 'notes', resource: 'notes' },
          billing: { id: 'billing', resource: 'billing' },
          'notes/common': { id: 'notes', providers: [CommonTools] },
          'billing/stray': { id: 'billing', providers: [NotesTools] },
        },
        resources: ['notes', 'billing'],
      },
      ran,
    );
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const toolsAt = async (path: string, token: string): Promise<string[]> => {
    const answer = await server.ask('tools/list', {}, { token, path });
    return listOf<{ name: string }>(answer, 'tools')
      .map(({ name }) => name)
      .toSorted();
  };
  const mint = (id: string, scope: string): Promise<string> => server.mint({ aud: `${server.origin}/${id}`, scope });

  it('have the tools of their resource, and those that belong to none', async () => {
    await expect(toolsAt('notes', await mint('notes', 'x'))).resolves.toEqual(['list', 'whoami']);
    await expect(toolsAt('billing', await mint('billing', 'x'))).resolves.toEqual(['list', 'whoami']);
  });

  it('have the tools of certain providers only, where these are named', async () => {
    await expect(toolsAt('notes/common', await mint('notes', 'x'))).resolves.toEqual(['whoami']);
  });

  it('run each its own tool of a name that both have, with the scopes of that one', async () => {
    const token = await mint('billing', 'notes:read');
    const refused = await server.rpc('tools/call', { name: 'list' }, { token, path: 'billing' });
    const resourceMetadata = `${server.origin}/.well-known/oauth-protected-resource/billing`;
    await expectRefusal(server, refused, {
      status: 403,
      error: 'insufficient_scope',
      scope: 'billing:read',
      resourceMetadata,
      token,
    });
    for (const id of ['notes', 'billing']) {
      await server.ask('tools/call', { name: 'list' }, { token: await mint(id, `${id}:read`), path: id });
    }
    expect(server.ran).toEqual(['notes list', 'billing list']);
  });

  it('refuse the callers of one resource the tool of another, served by mistake', async () => {
    const token = await mint('billing', 'notes:read billing:read');
    const response = await server.rpc('tools/call', { name: 'list' }, { token, path: 'billing/stray' });
    expect(await response.text()).not.toContain('"bills"');
    expect(server.ran).toEqual([]);
  });
});

describe.each(SDKS)('two classes of one name, on SDK %s', (sdk) => {
  const inputSchema = z.object({ text: z.string() });

  function classes(): Type[] {
    @Injectable()
    class Tools {
      @McpTool({ name: 'first', inputSchema })
      run(@Args('text') text: string, @AuthInfo('subject') subject: string): object {
        return { text, subject };
      }
    }
    return [Tools, secondClass()];
  }

  function secondClass(): Type {
    @Injectable()
    class Tools {
      @McpTool({ name: 'second', inputSchema })
      run(@AuthInfo('subject') subject: string, @Args('text') text: string): object {
        return { text, subject };
      }
    }
    return Tools;
  }

  // Nest 11 keeps what it knows of parameters by the name of the class.
  it('keep their parameters apart', async () => {
    const server = await startSdkServer({ sdk, providers: classes() });
    try {
      const token = await server.mint({ sub: 'bob' });
      for (const name of ['first', 'second']) {
        const { result } = await server.ask('tools/call', { name, arguments: { text: 'hi' } }, { token });
        expect(JSON.parse(result?.content?.[0]?.text ?? '')).toEqual({ text: 'hi', subject: 'bob' });
      }
    } finally {
      await server.close();
    }
  });
});

describe.each([
  ['v1', ResourceTemplateV1],
  ['v2', ResourceTemplate],
] as const)('a ResourceTemplate of SDK %s', (sdk, Template) => {
  const template = new Template('notes://{owner}/all{?tag}', {
    list: () => ({ resources: [{ uri: 'notes://bob/all?tag=x', name: 'bob' }] }),
    complete: { owner: () => ['alice', 'bob'] },
  });

  @Injectable()
  class Notes {
    @McpResource({ uriTemplate: template, name: 'notes' })
    @RequireScopes('a')
    all(@Args('owner') owner: string, @Args('tag') tag: string): object {
      ran.push('all');
      return { contents: [{ uri: 'notes://', text: `${owner} ${tag}` }] };
    }
  }

  let server: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer({ sdk, providers: [Notes] }, ran);
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it('lists, completes and is read', async () => {
    const token = await server.mint({ scope: 'a' });
    const listed = await server.ask('resources/list', {}, { token });
    expect(listed.result?.['resources']).toEqual([expect.objectContaining({ uri: 'notes://bob/all?tag=x' })]);
    const ref = { type: 'ref/resource', uri: 'notes://{owner}/all{?tag}' };
    const completed = await server.ask(
      'completion/complete',
      { ref, argument: { name: 'owner', value: '' } },
      { token },
    );
    expect(completed.result?.['completion']).toMatchObject({ values: ['alice', 'bob'] });
    const read = await server.ask('resources/read', { uri: 'notes://bob/all?tag=x' }, { token });
    expect(read.result?.['contents']).toEqual([expect.objectContaining({ text: 'bob x' })]);
  });

  it('is protected by the scopes of its method', async () => {
    const response = await server.rpc('resources/read', { uri: 'notes://bob/all?tag=x' });
    await expectRefusal(server, response, { status: 401, scope: 'a' });
  });
});

describe('the bridge', () => {
  const modules: { close(): Promise<void> }[] = [];
  afterAll(async () => {
    for (const module of modules) await module.close();
  });

  async function bridgeOf(
    providers: Provider[],
    more: { imports?: Type[]; controllers?: Type[] } = {},
  ): Promise<McpSdkBridge> {
    const authorizationServers = ['https://as.example.com'];
    const resources = ['notes', 'billing'].map((id) => ({
      id,
      resource: `https://mcp.example.com/${id}`,
      authorizationServers,
    }));
    const auth = McpAuthModule.forRoot({ resources });
    const module = await Test.createTestingModule({
      imports: [auth, McpSdkModule, ...(more.imports ?? [])],
      controllers: more.controllers ?? [],
      providers,
    }).compile();
    const app = module.createNestApplication({ logger: false });
    modules.push(app);
    await app.init();
    return app.get(McpSdkBridge);
  }

  function registered(bridge: McpSdkBridge, options?: RegisterOptions): string[] {
    const names: string[] = [];
    const note = (name: string): void => void names.push(name);
    bridge.register(
      { registerTool: note, registerResource: note, registerPrompt: note } satisfies McpServerLike,
      options,
    );
    return names;
  }

  it('registers a class that several modules provide once', async () => {
    @Module({ providers: [CommonTools] })
    class Other {}
    const bridge = await bridgeOf([CommonTools], { imports: [Other] });
    expect(registered(bridge)).toEqual(['whoami']);
  });

  it('registers what a class inherits', async () => {
    @Injectable()
    class Derived extends CommonTools {}
    expect(registered(await bridgeOf([Derived]))).toEqual(['whoami']);
  });

  it('leaves it to the SDK to refuse two tools of one name', async () => {
    @Injectable()
    class Again {
      @McpTool({ name: 'whoami' })
      again(): void {}
    }
    const bridge = await bridgeOf([CommonTools, Again]);
    expect(() => bridge.register(new McpServer({ name: 'test', version: '1' }))).toThrow(/already registered/);
  });

  it('keeps an application from starting that has a tool on a controller, where Nest would run no guard of its method', async () => {
    @Controller('notes')
    class NotesController {
      @McpTool()
      list(): void {}
    }
    await expect(bridgeOf([], { controllers: [NotesController] })).rejects.toThrow(
      /NotesController\.list: saw a tool on a controller/,
    );
  });

  it('keeps an application from starting that provides a tool under a token other than its class', async () => {
    const bridge = bridgeOf([{ provide: 'TOOLS', useClass: CommonTools }]);
    await expect(bridge).rejects.toThrow(McpAuthConfigError);
    await expect(bridge).rejects.toThrow(/CommonTools\.whoami: saw a tool on a provider under another token/);
  });

  it('says so where there is nothing to register', async () => {
    const empty = await bridgeOf([]);
    expect(() => registered(empty)).toThrow(McpAuthConfigError);
    const bridge = await bridgeOf([NotesTools, CommonTools]);
    expect(() => registered(bridge, { providers: [CommonTools, BillingTools] })).toThrow(/saw BillingTools/);
    expect(() => registered(bridge, { providers: [NotesTools], resource: 'billing' })).toThrow(/saw billing/);
  });

  it('refuses a template that it does not understand when the class is loaded', () => {
    for (const uriTemplate of ['notes://all', 'notes://{?tag}', 'notes://{id', 'notes://{id}/{id}', 'notes://{a,b}']) {
      expect(() => McpResource({ uriTemplate })).toThrow(McpAuthConfigError);
    }
  });

  it('gives the SDK all that describes an operation', async () => {
    const inputSchema = z.object({});
    const described = { title: 'T', description: 'D', icons: [{ src: 'https://x.example/i.png' }], _meta: { m: 1 } };
    @Injectable()
    class Described {
      @McpTool({ ...described, inputSchema, annotations: { readOnlyHint: true } })
      tool(): void {}

      @McpResource({ ...described, uri: 'notes://all', mimeType: 'text/plain', size: 3 })
      resource(): void {}
    }
    const configs: object[] = [];
    const server: McpServerLike = {
      registerTool: (_name, config) => configs.push(config),
      registerResource: (_name, _uri, config) => configs.push(config),
      registerPrompt: () => undefined,
    };
    (await bridgeOf([Described])).register(server);
    expect(configs).toEqual([
      { ...described, inputSchema, annotations: { readOnlyHint: true }, _meta: expect.objectContaining({ m: 1 }) },
      { ...described, mimeType: 'text/plain', size: 3 },
    ]);
  });
});
