import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, UseGuards, type INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { McpController, McpStrategy, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthGuard,
  McpAuthModule,
  McpAuthService,
  Public,
  RequireScopes,
  type McpAuthInfo,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { answerOf } from '../support/expectations.js';
import { StdioLikeTransport } from '../support/stdio-like-transport.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { openSession } from '../support/sessions.js';
import { Rendezvous } from './rendezvous.js';
import { closeServers, running, start } from './started-servers.js';

const issuer = { alg: 'ES256' } as const;
const text = (value: unknown): object => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

afterEach(closeServers);

describe('the caller over stdio', () => {
  const VARIABLE = 'FOLLOWED_CALLS_TOKEN';
  const resource = 'https://mcp.example.com/mcp';
  afterEach(() => void delete process.env[VARIABLE]);

  @Injectable()
  class Ledger {
    constructor(@Inject(McpAuthService) private readonly service: McpAuthService) {}

    async owner(): Promise<string | null> {
      await new Promise((resolve) => setImmediate(resolve));
      return this.service.authInfo?.subject ?? null;
    }
  }

  @McpController()
  class StdioTools {
    constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

    @Tool({ name: 'scoped', description: 'Needs a' })
    @RequireScopes('a')
    async scoped(): Promise<object> {
      return text(await this.ledger.owner());
    }

    @Tool({ name: 'plain', description: 'No requirements' })
    async plain(): Promise<object> {
      return text(await this.ledger.owner());
    }
  }

  it('is known below a tool', async () => {
    const own = await TestIssuer.start({ ...issuer, audience: resource });
    running.push(own);
    const transport = new StdioLikeTransport();
    const strategy = new McpStrategy({ name: 'x', version: '1', transports: [transport], logging: false });
    const options: McpAuthModuleOptions = {
      resource,
      authorizationServers: [own.issuer],
      stdio: { tokenEnv: VARIABLE },
    };
    const module = await Test.createTestingModule({
      imports: [McpAuthModule.forRoot(options)],
      controllers: [StdioTools],
      providers: [Ledger],
    }).compile();
    const app: INestMicroservice = module.createNestMicroservice({ strategy, logger: false });
    running.push(app);
    await app.listen();
    process.env[VARIABLE] = await own.mint({ sub: 'bob', scope: 'a' });
    expect(await transport.call('scoped')).toMatchObject({ result: text('bob') });
    process.env[VARIABLE] = await own.mint({ sub: 'carol', scope: 'a' });
    expect(await transport.call('scoped')).toMatchObject({ result: text('carol') });
    // The global guard holds for every handler of a microservice.
    expect(await transport.call('plain')).toMatchObject({ result: text('carol') });
    expect(app.get(McpAuthService).authInfo).toBeUndefined();
  });
});

describe.each(PLATFORMS)('in a session, where nobody injects McpAuthService, on %s', (platform) => {
  let meeting: Rendezvous;
  beforeEach(() => void (meeting = new Rendezvous()));
  const ran: (readonly string[])[] = [];
  beforeEach(() => void (ran.length = 0));

  @McpController()
  class MeetingTools {
    @Tool({ name: 'meet', description: 'Waits for another' })
    async meet(@AuthInfo('scopes') scopes: string[], @AuthInfo() auth: McpAuthInfo): Promise<object> {
      await meeting.meet(2);
      return text([scopes, auth.scopes]);
    }

    @Tool({ name: 'meet-anybody', description: 'The same, for anybody' })
    @Public()
    @UseGuards(McpAuthGuard)
    async meetAnybody(@AuthInfo('subject') subject: string | undefined): Promise<object> {
      await meeting.meet(2);
      return text(subject ?? null);
    }

    /** Whatever decides about a template, is asked at the handler alone. */
    @ResourceTemplate({ uriTemplate: 'notes://by-id/{id}', name: 'by-id' })
    @Authorize(async () => {
      await meeting.meet(2);
      return ['a'];
    })
    byId(@AuthInfo('scopes') scopes: string[]): object {
      ran.push(scopes);
      return { contents: [] };
    }
  }

  const stateful = { controllers: [MeetingTools], transport: { statefulMode: true } };

  it.each([
    ['first', ['a', 'b'], ['b']],
    ['second', ['b'], ['a', 'b']],
  ])('gives each handler the caller of its own message, the one with more scopes %s', async (_which, one, other) => {
    const server = await start(platform, stateful);
    expect(() => server.app.get(McpAuthService).authInfo).toThrow('followCaller');
    const [first, second] = await Promise.all([one, other].map((scopes) => server.mint({ scope: scopes.join(' ') })));
    const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'admin' })) };
    const early = server.callTool('meet', first, {}, session).then(answerOf);
    await meeting.arrivals(1);
    const late = server.callTool('meet', second, {}, session).then(answerOf);
    expect(await Promise.all([early, late])).toEqual([
      [one, one],
      [other, other],
    ]);
  });

  it.each([
    ['second', ['a', 'b'], ['b'], [200, 403]],
    ['first', ['b'], ['a', 'b'], [403, 200]],
  ])('refuses at the handler the one whose own token lacks the scope, the %s', async (_which, one, other, expected) => {
    const server = await start(platform, { ...stateful, transport: { statefulMode: true, enableJsonResponse: true } });
    const [first, second] = await Promise.all([one, other].map((scopes) => server.mint({ scope: scopes.join(' ') })));
    // The session was opened with more than either of them has.
    const session = { 'mcp-session-id': await openSession(server, await server.mint({ scope: 'a b admin' })) };
    const read = (token: string | undefined): Promise<Response> =>
      server.rpc('resources/read', { uri: 'notes://by-id/7' }, { ...bearer(token), ...session });
    const early = read(first);
    await meeting.arrivals(1);
    const answers = await Promise.all([early, read(second)]);
    expect(answers.map(({ status }) => status)).toEqual(expected);
    expect(ran).toEqual([['a', 'b']]);
    const refused = answers.find(({ status }) => status === 403);
    const [challenge] = parseChallenges(refused?.headers.get('www-authenticate') ?? []);
    expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'a' });
  });

  it('takes anonymous callers and others not for one another', async () => {
    const server = await start(platform, { ...stateful, options: { allowAnonymous: true } });
    const token = await server.mint();
    const mine = { 'mcp-session-id': await openSession(server, token) };
    const nobodys = { 'mcp-session-id': await openSession(server) };
    for (const order of [
      ['alice', 'nobody'],
      ['nobody', 'alice'],
    ]) {
      meeting = new Rendezvous();
      const answers: Promise<unknown>[] = [];
      for (const who of order) {
        const response =
          who === 'alice'
            ? server.callTool('meet-anybody', token, {}, mine)
            : server.callTool('meet-anybody', undefined, {}, nobodys);
        answers.push(response.then(answerOf));
        await meeting.arrivals(answers.length);
      }
      expect(await Promise.all(answers)).toEqual(order.map((who) => (who === 'alice' ? who : null)));
    }
    expect((await server.callTool('meet-anybody', undefined, {}, mine)).status).toBe(404);
    expect((await server.callTool('meet-anybody', token, {}, nobodys)).status).toBe(404);
  });
});
