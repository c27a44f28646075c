import 'reflect-metadata';
import { setImmediate as turn } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  McpAuthModule,
  type AuthorizationServerOptions,
  type McpAuthModuleOptions,
  type VerifiedToken,
} from 'nestjs-mcp-auth';
import { TestIssuer, type TestFault, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { watchArrivals } from './support/arrivals.js';
import { expectRefusal, resetRecorded } from './support/expectations.js';
import { introspecting } from './support/introspection.js';
import { openLogs, RECORDER, startNotesServer, type NotesServer } from './support/notes-server.js';
import { PLATFORMS } from './support/platforms.js';
import { until } from './support/until.js';

/** Whatever MCP asks of an authorization server, that a {@link TestIssuer} does not say of itself. */
const FLAWLESS = { client_id_metadata_document_supported: true };

describe.each(PLATFORMS)('the check of authorization servers at the start, on %s', (platform) => {
  let server: NotesServer | undefined;
  const issuers: TestIssuer[] = [];
  afterEach(async () => {
    await server?.close();
    server = undefined;
    for (const issuer of issuers.splice(0)) await issuer.close();
  });

  async function issuerWith(options: TestIssuerOptions = {}): Promise<TestIssuer> {
    const issuer = await TestIssuer.start({ alg: 'ES256', ...options, metadata: { ...FLAWLESS, ...options.metadata } });
    issuers.push(issuer);
    return issuer;
  }

  /** @param settings of the entry of the issuer */
  async function start(
    issuer: TestIssuer,
    settings: Partial<AuthorizationServerOptions> = {},
    options: Partial<McpAuthModuleOptions> = {},
  ): Promise<NotesServer> {
    const authorizationServers = [{ issuer: issuer.issuer, ...settings }];
    const all = { checkAuthorizationServers: true, authorizationServers, ...options } as Partial<McpAuthModuleOptions>;
    server = await startNotesServer(platform, { sharedIssuer: issuer, options: all });
    return server;
  }

  const counts = (issuer: TestIssuer): number[] => [issuer.requestCount('metadata'), issuer.requestCount('jwks')];
  const linesAbout = (issuer: TestIssuer): string[] =>
    (server?.log ?? []).filter((line) => line.includes(issuer.issuer));
  const token = (issuer: TestIssuer): Promise<string> =>
    issuer.mint({ aud: server?.resource, exp: Math.floor((server?.clock.now ?? 0) / 1000) + 200 });

  it('LIB-12: finds the keys before the first token comes, and asks for them once', async () => {
    const issuer = await issuerWith();
    const { callTool } = await start(issuer);
    await until(() => issuer.requestCount('jwks') === 1);
    expect(linesAbout(issuer)).toEqual([]);
    expect((await callTool('ping', await token(issuer))).status).toBe(200);
    expect(counts(issuer)).toEqual([1, 1]);
    expect(linesAbout(issuer)).toEqual([]);
  });

  it('LIB-12: shares the fetch with a token that comes at once', async () => {
    const issuer = await issuerWith();
    const { callTool } = await start(issuer);
    const presented = await token(issuer);
    const answers = await Promise.all(Array.from({ length: 50 }, () => callTool('ping', presented)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(counts(issuer)).toEqual([1, 1]);
  });

  it('warns of what clients will fail on, of nothing less, in one line each: server, finding, consequence, remedy', async () => {
    const notes = { scopes_supported: [], grant_types_supported: ['implicit'] };
    const metadata = {
      ...notes,
      code_challenge_methods_supported: ['plain'],
      client_id_metadata_document_supported: false,
    };
    const issuer = await issuerWith({ metadata });
    await start(issuer);
    await until(() => linesAbout(issuer).length === 2);
    expect(linesAbout(issuer)).toEqual([
      `The authorization server ${issuer.issuer} (AS-04): code_challenge_methods_supported is ["plain"]; MCP clients must refuse a server` +
        ' that does not advertise PKCE with S256, before anybody can sign in. What to do: turn on PKCE with S256, and see that the metadata says so',
      expect.stringContaining('(AS-07): registration_endpoint is missing'),
    ]);
    // Its tokens are as good as any.
    expect((await (server as NotesServer).callTool('ping', await token(issuer))).status).toBe(200);
  });

  it.each<[TestFault]>([
    ['down'],
    ['error'],
    ['html'],
    ['invalid-json'],
    ['not-found'],
    ['redirect'],
    ['huge'],
    ['wrong-issuer'],
  ])('LIB-12: says once that the server cannot be used (%s) and that its tokens get 503, and starts', async (fault) => {
    const issuer = await issuerWith();
    issuer.fail(fault);
    const { callTool, clock, log } = await start(issuer);
    await until(() => linesAbout(issuer).length > 0);
    expect(linesAbout(issuer)).toEqual([expect.stringContaining('its tokens get 503 until that works')]);
    const presented = await token(issuer);
    await expectRefusal(server as NotesServer, await callTool('ping', presented), { status: 503, token: presented });
    expect(log.filter((line) => line.includes('; its tokens get 503'))).toHaveLength(1);
    issuer.recover();
    clock.now += 2_000;
    expect((await callTool('ping', presented)).status).toBe(200);
  });

  it.each<[TestFault, 'metadata' | 'jwks']>([
    ['down', 'metadata'],
    ['not-found', 'metadata'],
    ['wrong-issuer', 'metadata'],
    ['error', 'jwks'],
    ['invalid-json', 'jwks'],
  ])(
    'CONF-AUD: delays no token after a check that failed, where the server was started a moment later (%s, %s)',
    async (fault, endpoint) => {
      const issuer = await issuerWith();
      issuer.fail(fault, endpoint);
      const { callTool } = await start(issuer);
      await until(() => linesAbout(issuer).length > 0);
      issuer.recover();
      expect((await callTool('ping', await token(issuer))).status).toBe(200);
    },
  );

  it('CONF-AUD: delays no token that comes while the check is about to fail', async () => {
    const issuer = await issuerWith();
    let fail: (error: Error) => void = () => undefined;
    const asked: string[] = [];
    const fetchOnce: typeof fetch = (url, init) => {
      asked.push(String(url));
      return asked.length === 1 ? new Promise((_, reject) => (fail = reject)) : fetch(url, init);
    };
    const started = await start(issuer, {}, { fetch: fetchOnce });
    await until(() => asked.length === 1);
    const arrivals = watchArrivals(started);
    const answers = [await token(issuer), await token(issuer)].map((one) => started.callTool('ping', one));
    await arrivals(2);
    expect(asked).toHaveLength(1);
    fail(new TypeError('fetch failed'));
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
    expect(counts(issuer)).toEqual([1, 1]);
  });

  it('CONF-AUD: delays no opaque token after a check that failed', async () => {
    const issuer = await issuerWith({ introspection: true });
    issuer.fail('down');
    await start(issuer, introspecting(issuer));
    await until(() => linesAbout(issuer).length > 0);
    issuer.recover();
    const opaque = issuer.opaque({ aud: (server as NotesServer).resource });
    expect((await (server as NotesServer).callTool('ping', opaque)).status).toBe(200);
  });

  it('says once that there are no keys in the metadata', async () => {
    const issuer = await issuerWith({ metadata: { jwks_uri: undefined } });
    await start(issuer);
    await until(() => linesAbout(issuer).length > 0);
    await turn();
    expect(linesAbout(issuer)).toEqual([expect.stringContaining('names no jwks_uri')]);
  });

  it('delays the start by nothing, and is given up without a word when the application closes', async () => {
    const issuer = await issuerWith();
    issuer.fail('hang');
    const signals: AbortSignal[] = [];
    const { app, log } = await start(
      issuer,
      {},
      {
        fetch: (url, init) => {
          signals.push(init?.signal as AbortSignal);
          return fetch(url, init);
        },
      },
    );
    await until(() => issuer.requests.length === 1);
    await app.close();
    await turn();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(log.filter((line) => line.includes(issuer.issuer))).toEqual([]);
  });

  it('LIB-12: does not end the process where the logger of the application throws', async () => {
    const issuer = await issuerWith({ metadata: { code_challenge_methods_supported: undefined } });
    const unhandled: unknown[] = [];
    const keep = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', keep);
    const warn = jest.spyOn(RECORDER, 'warn').mockImplementation(() => {
      throw new Error('the disk is full');
    });
    const { callTool } = await start(issuer);
    await until(() => warn.mock.calls.length > 0);
    warn.mockRestore();
    expect((await callTool('ping', await token(issuer))).status).toBe(200);
    process.off('unhandledRejection', keep);
    expect(unhandled).toEqual([]);
  });

  it('asks for nothing before the first token where it is turned off', async () => {
    const issuer = await issuerWith({ metadata: { code_challenge_methods_supported: undefined } });
    const { callTool } = await start(issuer, {}, { checkAuthorizationServers: false });
    expect(issuer.requests).toEqual([]);
    expect((await callTool('ping', await token(issuer))).status).toBe(200);
    expect(linesAbout(issuer)).toEqual([]);
  });

  it('asks for the keys alone where their URL is given', async () => {
    const issuer = await issuerWith({ metadata: { code_challenge_methods_supported: undefined } });
    await start(issuer, { jwksUri: issuer.jwksUri });
    await until(() => issuer.requestCount('jwks') === 1);
    expect((await (server as NotesServer).callTool('ping', await token(issuer))).status).toBe(200);
    expect(counts(issuer)).toEqual([0, 1]);
    expect(linesAbout(issuer)).toEqual([]);
  });

  it('asks for nothing where the keys are given', async () => {
    const issuer = await issuerWith();
    await start(issuer, { jwks: { keys: [issuer.key.publicJwk] } });
    expect((await (server as NotesServer).callTool('ping', await token(issuer))).status).toBe(200);
    expect(issuer.requests).toEqual([]);
  });

  it('reviews metadata that was given, without asking for anything', async () => {
    const issuer = await issuerWith();
    await start(issuer, { jwks: { keys: [issuer.key.publicJwk] }, metadata: { issuer: issuer.issuer, ...FLAWLESS } });
    await until(() => linesAbout(issuer).length > 0);
    expect(linesAbout(issuer).join('\n')).toContain('(AS-04): code_challenge_methods_supported is missing');
    expect(issuer.requests).toEqual([]);
  });

  it('does not judge by this document where clients are sent to another', async () => {
    const issuer = await issuerWith({ metadata: { code_challenge_methods_supported: undefined } });
    await start(issuer, { advertisedIssuer: 'https://login.example.com' });
    await until(() => issuer.requestCount('jwks') === 1);
    expect((await (server as NotesServer).callTool('ping', await token(issuer))).status).toBe(200);
    expect(linesAbout(issuer)).toEqual([]);
  });

  it('asks for nothing that a verifier of the application makes needless', async () => {
    const issuer = await issuerWith();
    await start(issuer, {}, { verifier: (): VerifiedToken => ({}) as VerifiedToken });
    expect((await (server as NotesServer).callTool('ping', 'opaque')).status).toBe(401);
    expect(issuer.requests).toEqual([]);
  });

  it('finds the introspection endpoint, and no keys that nobody needs', async () => {
    const issuer = await issuerWith({ introspection: true, metadata: { code_challenge_methods_supported: undefined } });
    await start(issuer, introspecting(issuer));
    await until(() => linesAbout(issuer).length > 0);
    const opaque = issuer.opaque({ aud: (server as NotesServer).resource });
    expect((await (server as NotesServer).callTool('ping', opaque)).status).toBe(200);
    expect(counts(issuer)).toEqual([1, 0]);
    expect(linesAbout(issuer)).toEqual([expect.stringContaining('(AS-04)')]);
  });

  it('finds metadata once for keys and introspection together', async () => {
    const issuer = await issuerWith({ introspection: true });
    await start(issuer, introspecting(issuer, { signed: true }));
    await until(() => issuer.requestCount('jwks') === 1);
    const opaque = issuer.opaque({ aud: (server as NotesServer).resource });
    expect((await (server as NotesServer).callTool('ping', opaque)).status).toBe(200);
    expect(counts(issuer)).toEqual([1, 1]);
  });

  it('says once that a server cannot be introspected at', async () => {
    const issuer = await issuerWith({ introspection: true });
    issuer.fail('down');
    await start(issuer, introspecting(issuer));
    await until(() => linesAbout(issuer).length > 0);
    const opaque = issuer.opaque({ aud: (server as NotesServer).resource });
    const said = linesAbout(issuer);
    resetRecorded(server as NotesServer);
    await expectRefusal(server as NotesServer, await (server as NotesServer).callTool('ping', opaque), { status: 503 });
    expect(said).toEqual([expect.stringContaining('gives no usable answer; its tokens get 503')]);
    expect((server as NotesServer).log.filter((line) => line.includes('gives no usable answer'))).toEqual([]);
  });
});

describe('which servers are asked at the start', () => {
  /** The URLs that an application asks for from its start to its end, whatever it is answered. */
  async function asked(options: Partial<McpAuthModuleOptions>): Promise<string[]> {
    const urls: string[] = [];
    const record: typeof fetch = async (url) => {
      urls.push(String(url));
      return Response.json({ keys: [] });
    };
    class AppModule {}
    Module({ imports: [McpAuthModule.forRoot({ ...options, fetch: record } as McpAuthModuleOptions)] })(AppModule);
    const log: string[] = [];
    openLogs.add(log);
    const app = await NestFactory.createApplicationContext(AppModule, { logger: RECORDER });
    await turn();
    await app.close();
    openLogs.delete(log);
    return urls;
  }

  const keysOf = (issuer: string): AuthorizationServerOptions => ({ issuer, jwksUri: `${issuer}/jwks` });

  it('are all that are listed, once for all resources', async () => {
    const [one, two] = [keysOf('https://one.example'), keysOf('https://two.example')];
    const resources = [
      { resource: 'https://mcp.example.com/a', authorizationServers: [one, two] },
      { resource: 'https://mcp.example.com/b', authorizationServers: [one] },
    ];
    expect((await asked({ resources } as McpAuthModuleOptions)).toSorted()).toEqual([
      'https://one.example/jwks',
      'https://two.example/jwks',
    ]);
  });

  it('are asked for each resource where one repairs their metadata and the other does not', async () => {
    const transformMetadata = (document: unknown): unknown => document;
    const resources = [{}, { transformMetadata }, { transformMetadata }].map((more, index) => ({
      resource: `https://mcp.example.com/${index}`,
      authorizationServers: [{ issuer: 'https://one.example', ...more }],
    }));
    const url = 'https://one.example/.well-known/oauth-authorization-server';
    expect(await asked({ resources } as McpAuthModuleOptions)).toEqual([url, url]);
  });

  it('are none of the origin of a resource, since that may be this application', async () => {
    const authorizationServers = [keysOf('https://mcp.example.com/auth'), keysOf('https://login.example.com')];
    expect(await asked({ resource: 'https://mcp.example.com/mcp', authorizationServers })).toEqual([
      'https://login.example.com/jwks',
    ]);
  });
});
