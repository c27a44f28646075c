import { afterEach, describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import type { Authenticator } from '../../lib/authorization/authenticator.js';
import { callOverStdio } from '../../lib/authorization/stdio-caller.js';
import { callOfContext } from '../../lib/caller/call-registry.js';
import type { Instance } from '../../lib/caller/module-instances.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { ResolvedResource } from '../../lib/options/resource-options.js';
import { noteMcpContext } from '../../lib/request/mcp-origin.js';
import type { ResourceServer } from '../../lib/resource-servers/resource-servers.js';

const TOKEN_ENV = 'NESTJS_MCP_AUTH_TEST_STDIO_TOKEN';
const resource = { id: 'only' } as ResolvedResource;
const server = { resource } as ResourceServer;
const handler = (): void => undefined;

/** Whose token it is says the token itself. */
const verified: string[] = [];
const authenticator = {
  verify: async (token: string, at: ResourceServer) => {
    verified.push(`${token} at ${at.resource.id}`);
    return { subject: token } as unknown as McpAuthInfo;
  },
} as unknown as Authenticator;

function contextOf(origin: 'stdio' | 'http' | 'nowhere', rpcContext: unknown = {}): ExecutionContext {
  const context = {
    getType: () => 'rpc',
    getHandler: () => handler,
    switchToRpc: () => ({ getContext: () => rpcContext }),
  } as unknown as ExecutionContext;
  if (origin !== 'nowhere') noteMcpContext(context, { isStdio: origin === 'stdio' });
  return context;
}

const call = (context: ExecutionContext, stdio: ResolvedOptions['stdio']): Promise<unknown> =>
  callOverStdio(context, stdio, server, authenticator);

afterEach(() => {
  delete process.env[TOKEN_ENV];
  verified.length = 0;
});

describe('a call over stdio', () => {
  it('is refused, trusted, or made by whose token the environment has, as the option says', async () => {
    process.env[TOKEN_ENV] = 'alice';
    expect(await call(contextOf('stdio'), 'deny')).toBeUndefined();
    expect(await call(contextOf('stdio'), 'trust')).toBe('trusted');
    expect(verified).toEqual([]);
    expect(await call(contextOf('stdio'), { tokenEnv: TOKEN_ENV })).toEqual({
      auth: { subject: 'alice' },
      resource,
      handler,
    });
    expect(verified).toEqual(['alice at only']);
  });

  it('is refused whatever the environment has, if the option says so', async () => {
    process.env['undefined'] = 'alice';
    expect(await call(contextOf('stdio'), 'deny')).toBeUndefined();
    delete process.env['undefined'];
    expect(verified).toEqual([]);
  });

  it.each(['http', 'nowhere'] as const)('is none if it comes from %s', async (origin) => {
    process.env[TOKEN_ENV] = 'alice';
    for (const stdio of ['deny', 'trust', { tokenEnv: TOKEN_ENV }] as const)
      expect(await call(contextOf(origin), stdio)).toBeUndefined();
    expect(verified).toEqual([]);
  });

  it.each([undefined, ''])('is refused if the environment has %j', async (token) => {
    if (token !== undefined) process.env[TOKEN_ENV] = token;
    expect(await call(contextOf('stdio'), { tokenEnv: TOKEN_ENV })).toBeUndefined();
    expect(verified).toEqual([]);
  });

  it('reads the token anew for each call, and gives the handler its caller', async () => {
    const instance = { resources: [resource] } as unknown as Instance;
    for (const token of ['alice', 'bob']) {
      process.env[TOKEN_ENV] = token;
      const context = contextOf('stdio', { of: token });
      const found = await call(context, { tokenEnv: TOKEN_ENV });
      expect(callOfContext(context, instance)).toBe(found);
      expect(found).toMatchObject({ auth: { subject: token } });
    }
  });

  it.each([undefined, null, 'text'])('needs no context of the framework: %j', async (rpcContext) => {
    process.env[TOKEN_ENV] = 'alice';
    expect(await call(contextOf('stdio', rpcContext), { tokenEnv: TOKEN_ENV })).toMatchObject({
      auth: { subject: 'alice' },
    });
  });
});
