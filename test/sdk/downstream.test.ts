import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { DownstreamToken, McpAuthDownstream, type DownstreamOptions } from 'nestjs-mcp-auth';
import { Args, McpPrompt, McpResource, McpTool } from 'nestjs-mcp-auth/sdk';
import { parseChallenges, type Challenge } from 'nestjs-mcp-auth/testing';
import { decodeJwt } from 'jose';
import { z } from 'zod';
import { AUDIENCE, CalendarApi } from '../support/downstream-server.js';
import { messagesOf, metadataUrlOf } from '../support/expectations.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import {
  SDKS,
  startSdkServer,
  type Era,
  type RpcAnswer,
  type RpcSettings,
  type Sdk,
  type SdkServer,
} from './sdk-server.js';

const ran: string[] = [];
let api: CalendarApi;

/** Whose token it is, and for whom. A real method never answers a token or a part of it. */
function ownerOf(token: string): string {
  const { sub, aud } = decodeJwt(token);
  return `${sub} at ${[aud].flat().join()}`;
}

@Injectable()
class Calendar {
  constructor(private readonly apis: McpAuthDownstream) {}

  @McpTool({ inputSchema: z.object({ day: z.string() }) })
  injected(@Args('day') day: string, @DownstreamToken('calendar') token: string): string {
    ran.push('injected');
    return `${day}: ${ownerOf(token)}`;
  }

  @McpTool()
  async fetched(): Promise<string> {
    const response = await this.apis.fetch('calendar', `${api.origin}/events`);
    return response.text();
  }

  @McpResource({ uri: 'calendar://today' })
  today(@DownstreamToken('calendar') token: string): object {
    return { contents: [{ uri: 'calendar://today', text: ownerOf(token) }] };
  }

  @McpPrompt()
  summary(@DownstreamToken('calendar') token: string): object {
    return { messages: [{ role: 'user', content: { type: 'text', text: ownerOf(token) } }] };
  }
}

@Injectable()
class Misspelt {
  @McpTool()
  misspelt(@DownstreamToken('calender') token: string): string {
    return token;
  }
}

const downstream = (): Record<string, DownstreamOptions> => ({
  calendar: {
    grant: 'token-exchange',
    clientId: 'resource-server',
    auth: { method: 'client_secret_basic', clientSecret: 'resource-server-secret' },
    audience: AUDIENCE,
    origins: [api.origin],
    stepUpScopes: ['calendar'],
  },
});

const start = (platform: Platform, sdk: Sdk, provider: typeof Calendar | typeof Misspelt): Promise<SdkServer> =>
  startSdkServer({
    sdk,
    platform,
    issuer: { tokenEndpoint: true },
    options: { downstream: downstream() },
    providers: [provider],
  });

function challengesInHeader({ headers }: Response): Challenge[] {
  return parseChallenges(headers.get('www-authenticate') ?? '');
}

async function challengesInResult(response: Response): Promise<Challenge[]> {
  const { result } = messagesOf(await response.text())[0] as RpcAnswer;
  expect(result?.isError).toBe(true);
  return parseChallenges([result?._meta?.['mcp/www_authenticate']].flat().join(', '));
}

const HOSTS = PLATFORMS.flatMap((platform) => [
  ...SDKS.map((sdk) => ({ platform, sdk, era: '2025-11-25' as Era })),
  { platform, sdk: 'v2' as const, era: '2026-07-28' as Era },
]);

beforeAll(async () => {
  api = await CalendarApi.start();
});
afterAll(() => api.close());

describe.each(HOSTS)('Tokens for an API with SDK $sdk, $era, on $platform', ({ platform, sdk, era }) => {
  let server: SdkServer;
  beforeAll(async () => {
    server = await start(platform, sdk, Calendar);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    ran.length = 0;
    server.issuer.answerToken = undefined;
  });

  const as = async (sub: string): Promise<RpcSettings> => ({
    era,
    token: await server.mint({ sub, scope: 'profile' }),
  });
  const injected = { name: 'injected', arguments: { day: 'monday' } };

  it('MCP-26-RS-03: @DownstreamToken() injects the token of the caller into a tool, beside its arguments', async () => {
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map(async (sub) => server.ask('tools/call', injected, await as(sub))),
    );
    expect(ada?.result?.content?.[0]?.text).toBe(`monday: ada at ${AUDIENCE}`);
    expect(bob?.result?.content?.[0]?.text).toBe(`monday: bob at ${AUDIENCE}`);
  });

  it('MCP-26-RS-03: @DownstreamToken() injects it into resources and prompts', async () => {
    const read = await server.ask('resources/read', { uri: 'calendar://today' }, await as('ada'));
    expect(JSON.stringify(read.result)).toContain(`ada at ${AUDIENCE}`);
    const got = await server.ask('prompts/get', { name: 'summary' }, await as('bob'));
    expect(JSON.stringify(got.result)).toContain(`bob at ${AUDIENCE}`);
  });

  it('MCP-26-RS-03: McpAuthDownstream finds the caller below a tool', async () => {
    const answer = await server.ask('tools/call', { name: 'fetched' }, await as('ada'));
    expect(answer.result?.content?.[0]?.text).toBe('{"owner":"ada","act":{"sub":"resource-server"}}');
  });

  it.each([
    ['invalid_grant', 401, { error: 'invalid_token' }],
    ['login_required', 403, { error: 'insufficient_scope', scope: 'calendar' }],
  ] as const)('LIB-29: answers %s with status %s, and does not run the tool', async (error, status, expected) => {
    server.issuer.answerToken = () => Response.json({ error }, { status: 400 });
    const response = await server.rpc('tools/call', injected, await as('eve'));
    // Version 2 has begun to answer with a stream.
    const isStream = sdk === 'v2' && era === '2025-11-25';
    expect(response.status).toBe(isStream ? 200 : status);
    const [challenge] = isStream ? await challengesInResult(response) : challengesInHeader(response);
    expect(challenge?.params).toMatchObject({ ...expected, resource_metadata: metadataUrlOf(server.resource) });
    expect(ran).toEqual([]);
  });

  it('LIB-29: tells the client nothing of a mistake of the configuration', async () => {
    server.issuer.answerToken = () =>
      Response.json({ error: 'invalid_target', error_description: 'tenant contoso' }, { status: 400 });
    const response = await server.rpc('tools/call', injected, await as('eve'));
    const text = await response.text();
    expect(text).not.toMatch(/contoso|invalid_target|resource-server/);
    expect(text).toMatch(/"isError":true|"error"/);
    expect(ran).toEqual([]);
  });
});

describe.each(SDKS)('A misspelt @DownstreamToken() with SDK %s', (sdk) => {
  it('LIB-29: stops the start', async () => {
    await expect(start('express', sdk, Misspelt)).rejects.toThrow('@DownstreamToken() of Misspelt.misspelt');
  });
});
