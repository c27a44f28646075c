import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createRequestStateCodec, type ServerContext } from '@modelcontextprotocol/server';
import { McpController, McpStrategy, Tool } from '@rekog/mcp-nest';
import {
  AuthInfo,
  McpAuthModule,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { StdioLikeTransport } from '../support/stdio-like-transport.js';

const resource = 'https://mcp.example.com/mcp';
const VARIABLE = 'STDIO_CONFORMANCE_TOKEN';
const ran: string[] = [];

@McpController()
class StdioTools {
  @Tool({ name: 'plain', description: 'No requirements' })
  plain(): object {
    ran.push('plain');
    return { content: [] };
  }

  @Tool({ name: 'scoped', description: 'Needs a' })
  @RequireScopes('a')
  scoped(@AuthInfo('subject') subject: string | undefined): object {
    ran.push(`scoped for ${subject}`);
    return { content: [] };
  }
}

describe('6. State, and servers without HTTP', () => {
  let issuer: TestIssuer | undefined;
  let app: INestMicroservice | undefined;
  afterEach(async () => {
    await app?.close();
    await issuer?.close();
    delete process.env[VARIABLE];
    ran.length = 0;
  });

  async function start(stdio?: McpAuthModuleOptions['stdio']): Promise<StdioLikeTransport> {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: resource });
    const transport = new StdioLikeTransport();
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const options = { resource, authorizationServers: [issuer.issuer], ...(stdio !== undefined && { stdio }) };
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(options)],
      controllers: [StdioTools],
    }).compile();
    app = module.createNestMicroservice({ strategy, logger: false });
    await app.listen();
    return transport;
  }

  it('MCP-26-RS-14: refuses what has requirements over stdio, says so, and leaves the rest alone', async () => {
    const transport = await start();
    expect(await transport.call('scoped')).toMatchObject({
      result: { isError: true, content: [{ text: 'Authorization is required.' }] },
    });
    expect(await transport.call('plain')).toEqual(expect.objectContaining({ result: { content: [] } }));
    expect(ran).toEqual(['plain']);
  });

  it('MCP-26-RS-14: trusts whoever started the process only where the options say so', async () => {
    await (await start('trust')).call('scoped');
    expect(ran).toEqual(['scoped for undefined']);
  });

  it('MCP-26-RS-14: takes a token from the environment, and takes it for no better than another', async () => {
    const transport = await start({ tokenEnv: VARIABLE });
    expect(await transport.call('scoped')).toMatchObject({ result: { isError: true } });
    process.env[VARIABLE] = await issuer?.mint({ sub: 'bob', scope: '' });
    expect(await transport.call('scoped')).toMatchObject({ result: { isError: true } });
    process.env[VARIABLE] = await issuer?.mint({ sub: 'bob', scope: 'a', exp: 1 });
    expect(await transport.call('scoped')).toMatchObject({ result: { isError: true } });
    process.env[VARIABLE] = await issuer?.mint({ sub: 'bob', scope: 'a' });
    await transport.call('scoped');
    expect(ran).toEqual(['scoped for bob']);
  });

  it('MCP-26-MRTR-01: has the key to which state that goes through the client is bound', async () => {
    await start();
    const service = (app as INestMicroservice).get(McpAuthService);
    const context = async (claims: object, method = 'tools/call'): Promise<ServerContext> => {
      const authInfo = await service.verify((await issuer?.mint({ ...claims })) as string);
      return { http: { authInfo }, mcpReq: { method } } as unknown as ServerContext;
    };
    const codec = createRequestStateCodec<{ step: number }>({
      key: 'k'.repeat(32),
      bind: ({ http, mcpReq }) => `${mcpReq.method} ${(http?.authInfo as McpAuthInfo | undefined)?.principalKey}`,
    });
    const state = await codec.mint({ step: 1 }, await context({ sub: 'alice' }));
    expect(await codec.verify(state, await context({ sub: 'alice', jti: 'another token' }))).toEqual({ step: 1 });
    await expect(codec.verify(state, await context({ sub: 'bob' }))).rejects.toThrow('bind');
    await expect(codec.verify(state, await context({ sub: 'alice' }, 'prompts/get'))).rejects.toThrow('bind');
    await expect(codec.verify(`${state}x`, await context({ sub: 'alice' }))).rejects.toThrow();
  });
});
