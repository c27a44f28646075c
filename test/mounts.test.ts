import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpStrategy, StreamableHttpTransport, Tool } from '@rekog/mcp-nest';
import { McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

const resource = 'http://127.0.0.1/mcp';

describe.each(PLATFORMS)('an MCP transport that mounts itself, on %s', (platform) => {
  let app: INestApplication;
  afterEach(() => app.close());

  async function create(options: { allowUnguardedMounts?: boolean; endpoint?: string }): Promise<string[]> {
    const ran: string[] = [];

    @McpController()
    class Tools {
      @Tool({ name: 'bare', description: 'No requirements' })
      bare(): object {
        ran.push('bare');
        return { content: [] };
      }

      @Tool({ name: 'scoped', description: 'Needs a' })
      @RequireScopes('a')
      scoped(): object {
        ran.push('scoped');
        return { content: [] };
      }
    }

    const { endpoint, ...rest } = options;
    const transport = new StreamableHttpTransport({ mount: true, ...(endpoint && { endpoint }) });
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const module = await Test.createTestingModule({
      imports: [
        McpAuthModule.forRoot({
          resource,
          authorizationServers: ['https://login.example.com'],
          checkAuthorizationServers: false,
          ...rest,
        }),
      ],
      controllers: [Tools],
    }).compile();
    app = module.createNestApplication(adapterFor(platform), { logger: false });
    strategy.setHttpAdapter(app.getHttpAdapter());
    app.connectMicroservice({ strategy });
    await app.startAllMicroservices();
    return ran;
  }

  it('is refused at start, with instructions', async () => {
    await create({});
    await expect(app.init()).rejects.toThrow(/POST \/mcp: .* no guard runs before it\. Let a controller serve it/);
  });

  it('may start where that is wanted, and then still refuses decorated tools at the handler', async () => {
    const ran = await create({ allowUnguardedMounts: true });
    const origin = await listen(app);
    const call = async (name: string): Promise<unknown> => {
      const response = await fetch(`${origin}/mcp`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }),
      });
      return ((await response.json()) as { result: unknown }).result;
    };
    expect(await call('scoped')).toEqual({
      content: [{ type: 'text', text: 'Authorization is required.' }],
      isError: true,
      _meta: {
        'mcp/www_authenticate': [
          'Bearer scope="a", resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource/mcp"',
        ],
      },
    });
    expect(await call('bare')).toEqual({ content: [] });
    expect(ran).toEqual(['bare']);
  });
});

describe.each(PLATFORMS)('an MCP transport that mounts itself at another path, on %s', (platform) => {
  it('is refused at start too', async () => {
    const transport = new StreamableHttpTransport({ mount: true, endpoint: '/elsewhere' });
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });

    @McpController()
    class Tools {
      @Tool({ name: 'bare', description: 'No requirements' })
      bare(): object {
        return { content: [] };
      }
    }

    const module = await Test.createTestingModule({
      imports: [
        McpAuthModule.forRoot({
          resource,
          authorizationServers: ['https://login.example.com'],
          checkAuthorizationServers: false,
        }),
      ],
      controllers: [Tools],
    }).compile();
    const app = module.createNestApplication(adapterFor(platform), { logger: false });
    // A route that has part of the path in common.
    app.getHttpAdapter().get('/else', () => undefined);
    strategy.setHttpAdapter(app.getHttpAdapter());
    app.connectMicroservice({ strategy });
    await app.startAllMicroservices();
    await expect(app.init()).rejects.toThrow(/POST \/elsewhere/);
    await app.close();
  });
});
