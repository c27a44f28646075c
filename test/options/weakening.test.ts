import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { parseChallenges, TestIssuer } from 'nestjs-mcp-auth/testing';
import { type LogLine } from '../support/log-lines.js';
import { PLATFORMS } from '../support/platforms.js';
import { RESOURCE, GOOD, METADATA, start, stop } from './started-app.js';

describe.each(PLATFORMS)('options that weaken protection, on %s', (platform) => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  });
  afterEach(stop);
  afterAll(() => issuer.close());

  const warnings = (log: readonly LogLine[]): string[] =>
    log.filter(({ level }) => level === 'warn').map(({ text }) => text);

  @Controller('notes')
  class NotesController {
    @Get()
    list(): string[] {
      return [];
    }
  }

  it('logs plain http as a warning, for each URL once, at start and not again', async () => {
    const options = {
      resource: 'http://mcp.internal/mcp',
      authorizationServers: [
        { issuer: 'http://login.internal', jwksUri: 'http://keys.internal/keys' },
        { issuer: 'https://login.example.com', discovery: { url: 'http://login.internal/metadata' } },
        'http://127.0.0.1:9/loopback',
      ],
      allowInsecureHttp: true,
      checkAuthorizationServers: false,
    };
    const { origin, log } = await start(McpAuthModule.forRoot(options), [NotesController], platform);
    const why = 'is plain http: tokens and keys can be read and changed on the way';
    const expected = [
      `resource "http://mcp.internal/mcp" ${why}`,
      `authorizationServers[0] "http://login.internal" ${why}`,
      `authorizationServers[0].jwksUri "http://keys.internal/keys" ${why}`,
      `authorizationServers[1].discovery.url "http://login.internal/metadata" ${why}`,
    ];
    expect(
      warnings(log).map((text) => text.replace('authorizationServers[0].issuer', 'authorizationServers[0]')),
    ).toEqual(expected);
    for (let i = 0; i < 3; i++) {
      await fetch(`${origin}/notes`);
      await fetch(origin + METADATA);
    }
    expect(warnings(log)).toHaveLength(expected.length);
  });

  it('logs the warnings of options from a factory once too', async () => {
    const options = { ...GOOD, resource: 'http://mcp.internal/mcp', allowInsecureHttp: true };
    const { log } = await start(McpAuthModule.forRootAsync({ useFactory: () => options }), [], platform);
    expect(warnings(log)).toEqual([expect.stringContaining('http://mcp.internal/mcp')]);
  });

  it.each([
    ['with plain http allowed but not used', { ...GOOD, allowInsecureHttp: true }],
    ['with nothing but the defaults', GOOD],
    ['with everything off', { ...GOOD, allowInsecureHttp: false, exposeErrorDetails: false }],
  ])('logs no warning %s', async (_, options) => {
    const { log } = await start(McpAuthModule.forRoot(options), [], platform);
    expect(warnings(log)).toEqual([]);
  });

  const refused = async (
    options: object,
    token: string,
  ): Promise<{ description: string | undefined; body: string; log: LogLine[] }> => {
    const { origin, log } = await start(
      McpAuthModule.forRoot({ ...GOOD, authorizationServers: [issuer.issuer], ...options }),
      [NotesController],
      platform,
    );
    const response = await fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(401);
    const [challenge] = parseChallenges(response.headers.get('www-authenticate') as string);
    return { description: challenge?.params['error_description'], body: await response.text(), log };
  };

  it('does not tell clients why a token was refused, unless exposeErrorDetails is on', async () => {
    const token = await issuer.mint({ exp: 1 });
    const { description, body, log } = await refused({}, token);
    expect(description).toBe('The access token is invalid or has expired.');
    expect(JSON.parse(body)).toEqual({ error: 'invalid_token', error_description: description });
    expect(log).toContainEqual({
      level: 'debug',
      text: expect.stringMatching(/^Refused 401 invalid_token for GET \/notes .*: the token has expired/),
    });
  });

  it('tells clients the reason with exposeErrorDetails, and nothing of the token, with a warning at start', async () => {
    const token = await issuer.mint({ aud: 'https://other.example.com/mcp' });
    const { description, body, log } = await refused({ exposeErrorDetails: true }, token);
    expect(description).toBe(
      'The access token is invalid or has expired. Reason: the token was issued for another audience.',
    );
    expect(JSON.parse(body)).toEqual({ error: 'invalid_token', error_description: description });
    expect(warnings(log)).toEqual([
      'exposeErrorDetails is on: clients are told why tokens are refused',
      expect.stringContaining('aud is "https://other.example.com/mcp"'),
    ]);
    for (const secret of [token, ...token.split('.'), 'other.example.com'])
      expect(body + description).not.toContain(secret);
  });
});
