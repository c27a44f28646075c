import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  AuthInfo,
  Authorize,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { Args, McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { z } from 'zod';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { listOf, SDKS, startSdkServer, type Era, type SdkServer } from './sdk-server.js';

const ran: string[] = [];

@Injectable()
class Notes {
  constructor(private readonly caller: McpAuthService) {}

  @McpTool({ description: 'Baseline only' })
  async whoami(@AuthInfo() { subject, scopes }: McpAuthInfo): Promise<object> {
    ran.push('whoami');
    return { subject, scopes, below: await Promise.resolve(this.caller.authInfo?.subject) };
  }

  @McpTool({ name: 'write-note', inputSchema: z.object({ text: z.string() }) })
  @RequireScopes('a', 'b')
  write(@Args('text') text: string): string {
    ran.push('write-note');
    return text;
  }

  @McpTool({ name: 'by-argument', inputSchema: z.object({ scope: z.string() }) })
  @RequireScopes('a')
  @Authorize(({ args }: PolicyContext) => [(args as { scope: string }).scope])
  byArgument(): string {
    ran.push('by-argument');
    return 'done';
  }

  @McpResource({ uri: 'notes://all' })
  @RequireScopes('a')
  all(): object {
    ran.push('notes://all');
    return { contents: [{ uri: 'notes://all', text: 'all' }] };
  }

  @McpResource({ uriTemplate: 'notes://by-id/{id}' })
  @RequireScopes('a', 'c')
  byId(@Args('id') id: string): object {
    ran.push('notes://by-id/{id}');
    return { contents: [{ uri: `notes://by-id/${id}`, text: id }] };
  }

  @McpPrompt({ name: 'summary', argsSchema: z.object({ topic: z.string() }) })
  @RequireScopes('d')
  summary(@Args('topic') topic: string): object {
    ran.push('summary');
    return { messages: [{ role: 'user', content: { type: 'text', text: topic } }] };
  }
}

const NEEDS: readonly [method: string, params: object, scope: string, ran: string][] = [
  ['tools/call', { name: 'write-note', arguments: { text: 'x' } }, 'a b', 'write-note'],
  ['resources/read', { uri: 'notes://all' }, 'a', 'notes://all'],
  ['resources/read', { uri: 'notes://by-id/7' }, 'a c', 'notes://by-id/{id}'],
  ['prompts/get', { name: 'summary', arguments: { topic: 'x' } }, 'd', 'summary'],
];

const HOSTS = PLATFORMS.flatMap((platform) => [
  ...SDKS.map((sdk) => ({ platform, sdk, era: '2025-11-25' as Era })),
  { platform, sdk: 'v2' as const, era: '2026-07-28' as Era },
]);

describe.each(HOSTS)('SDK $sdk with messages of $era on $platform', ({ platform, sdk, era }) => {
  let server: SdkServer;
  beforeAll(async () => {
    server = await startSdkServer({ sdk, platform, providers: [Notes] }, ran);
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  it.each(NEEDS)('answers %s %j without a token 401 naming its scopes', async (method, params, scope) => {
    const { body } = await expectRefusal(server, await server.rpc(method, params, { era }), { status: 401, scope });
    expect(body['id']).toEqual(expect.any(Number));
  });

  it.each(NEEDS)('answers %s %j with too few scopes 403 naming all it needs', async (method, params, scope) => {
    const token = await server.mint({ scope: 'other' });
    const response = await server.rpc(method, params, { era, token });
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope, token });
  });

  it.each(NEEDS)('runs the handler of %s %j for a caller with its scopes', async (method, params, scope, handler) => {
    const { result, error } = await server.ask(method, params, { era, token: await server.mint({ scope }) });
    expect(error).toBeUndefined();
    expect(result?.isError).toBeFalsy();
    expect(server.ran).toEqual([handler]);
  });

  it('names the scopes that a policy asks for from the arguments, before dispatch', async () => {
    const token = await server.mint({ scope: 'a' });
    const params = { name: 'by-argument', arguments: { scope: 'x' } };
    const response = await server.rpc('tools/call', params, { era, token });
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a x', token });
  });

  it('refuses a token that is not good for this server', async () => {
    const token = await server.mint({ aud: 'https://elsewhere.example' });
    const response = await server.rpc('tools/call', { name: 'whoami' }, { era, token });
    await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
  });

  it('knows the caller in the tool, and below it', async () => {
    const token = await server.mint({ sub: 'bob', scope: 'a b' });
    const { result } = await server.ask('tools/call', { name: 'whoami' }, { era, token });
    expect(JSON.parse(result?.content?.[0]?.text ?? '')).toEqual({ subject: 'bob', scopes: ['a', 'b'], below: 'bob' });
  });

  it('lists what is registered, by the names of the methods where there are no others', async () => {
    const token = await server.mint();
    const names = async (method: string, list: string): Promise<unknown[]> => {
      const answer = await server.ask(method, {}, { era, token });
      const listed = listOf<{ name: string; uri?: string; uriTemplate?: string }>(answer, list);
      return listed.map(({ name, uri, uriTemplate }) => [name, uri ?? uriTemplate].filter(Boolean).join(' '));
    };
    await expect(names('tools/list', 'tools')).resolves.toEqual(['whoami', 'write-note', 'by-argument']);
    await expect(names('resources/list', 'resources')).resolves.toEqual(['all notes://all']);
    await expect(names('resources/templates/list', 'resourceTemplates')).resolves.toEqual(['byId notes://by-id/{id}']);
    await expect(names('prompts/list', 'prompts')).resolves.toEqual(['summary']);
  });
});
