import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { McpAuthModule, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { generateTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { PLATFORMS } from '../support/platforms.js';
import { RESOURCE, ISSUER, METADATA, start, stop } from './started-app.js';

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member as object);
  }
  return Object.freeze(value);
}

/** Whether anything in here is frozen. */
function isTouched(value: object): boolean {
  return (
    Object.isFrozen(value) ||
    Object.values(value).some((member) => typeof member === 'object' && member !== null && isTouched(member as object))
  );
}

describe.each(PLATFORMS)('the options object, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  });
  afterEach(stop);
  afterAll(() => issuer.close());

  const everyOption = (): object => ({
    resource: 'https://MCP.example.com/mcp',
    id: 'notes',
    authorizationServers: [
      {
        issuer: issuer.issuer,
        jwks: { keys: [{ ...issuer.key.publicJwk }] },
        algorithms: ['ES256'],
        profile: 'rfc9068',
        claims: { scopes: ['scope'] },
      },
      { issuer: ISSUER, discovery: { url: `${ISSUER}/metadata` } },
    ],
    audience: [RESOURCE],
    metadata: { resourceName: 'Notes', x_list: [{ deep: ['value'] }], authorization_details_types_supported: [] },
    scopes: { required: ['a'], supported: ['a'], hierarchy: { admin: ['a'], none: [] } },
    clockToleranceSeconds: 0,
    maxTokenLifetimeSeconds: 600,
    checkAuthorizationServers: false,
  });

  it('is only read: a frozen one does', async () => {
    const { origin } = await start(
      McpAuthModule.forRoot(deepFreeze(everyOption()) as McpAuthModuleOptions),
      [],
      platform,
    );
    expect((await fetch(origin + METADATA)).status).toBe(200);
  });

  it('is left as it was: nothing in it is changed or frozen, empty lists included', async () => {
    const options = { ...everyOption(), scopes: { required: [], supported: [], hierarchy: { none: [] } } };
    const before = structuredClone(options);
    await start(McpAuthModule.forRoot(options as unknown as McpAuthModuleOptions), [], platform);
    expect(options).toEqual(before);
    expect(isTouched(options)).toBe(false);
  });

  it('has no effect any more once the application runs', async () => {
    @Controller('notes')
    class NotesController {
      @Get()
      list(): string[] {
        return [];
      }
    }
    const attacker = await generateTestKey({ alg: 'ES256' });
    const options = everyOption() as {
      resource: string;
      authorizationServers: { issuer: string; jwks?: { keys: object[] }; algorithms?: string[] }[];
      audience: string[];
      metadata: Record<string, unknown> & { x_list: { deep: string[] }[] };
      scopes: { required: string[]; supported: string[]; hierarchy: Record<string, string[]> };
      maxTokenLifetimeSeconds: number;
      allowInsecureHttp?: boolean;
    };
    const { origin } = await start(
      McpAuthModule.forRoot(options as unknown as McpAuthModuleOptions),
      [NotesController],
      platform,
    );

    options.resource = 'https://evil.test/mcp';
    options.audience.push('https://evil.test');
    options.authorizationServers[0]?.jwks?.keys.push(attacker.publicJwk);
    options.authorizationServers.push({ issuer: 'https://evil.test' });
    options.metadata['resourceName'] = 'Evil';
    options.metadata.x_list[0]?.deep.push('evil');
    options.scopes.required.length = 0;
    options.scopes.supported.push('evil');
    options.scopes.hierarchy['b'] = ['a'];
    options.scopes.hierarchy['none']?.push('a');
    options.maxTokenLifetimeSeconds = 1;
    options.allowInsecureHttp = true;

    expect(await (await fetch(origin + METADATA)).json()).toEqual({
      resource: RESOURCE,
      authorization_servers: [issuer.issuer, ISSUER],
      scopes_supported: ['a'],
      bearer_methods_supported: ['header'],
      resource_name: 'Notes',
      x_list: [{ deep: ['value'] }],
    });
    const status = async (...mint: Parameters<TestIssuer['mint']>): Promise<number> =>
      (await fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${await issuer.mint(...mint)}` } })).status;
    expect(await status({ scope: 'a' })).toBe(200);
    expect(await status({ scope: 'admin' })).toBe(200);
    expect(await status({ scope: '' })).toBe(403);
    expect(await status({ scope: 'b' })).toBe(403);
    expect(await status({ scope: 'none' })).toBe(403);
    expect(await status({ scope: 'a', aud: 'https://evil.test' })).toBe(401);
    expect(await status({ scope: 'a' }, { key: attacker })).toBe(401);
  });
});
