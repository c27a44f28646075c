import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { McpController, Tool } from '@rekog/mcp-nest';
import { McpAuthDownstream, type ClientSecret, type DownstreamOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { ResolvedOptions } from '../../lib/options/options.js';
import { textOfTool } from '../support/downstream-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { RotatingServer } from '../support/rotating-server.js';

type Method = 'client_secret_basic' | 'client_secret_post';
const METHODS: readonly Method[] = ['client_secret_basic', 'client_secret_post'];

/** What is no secret. */
const NO_SECRETS: readonly [what: string, value: unknown][] = [
  ['nothing', undefined],
  ['empty text', ''],
  ['an object', { canary: 'canary' }],
  ['text of 6,000 characters', 'canary'.repeat(1_000)],
];

@McpController()
class TokenTools {
  constructor(private readonly apis: McpAuthDownstream) {}

  @Tool({ name: 'token', description: 'The token itself' })
  async token(): Promise<object> {
    return { content: [{ type: 'text', text: await this.apis.tokenFor('calendar') }] };
  }
}

describe.each(PLATFORMS)('A client secret by a function, on %s', (platform) => {
  let upstream: RotatingServer;
  let issuer: TestIssuer;
  let server: NotesServer;
  let asked: number;
  beforeEach(async () => {
    upstream = await RotatingServer.start();
    issuer = await TestIssuer.start({ alg: 'ES256' });
    asked = 0;
  });
  afterEach(async () => {
    await server.close();
    await issuer.close();
    await upstream.close();
  });

  /** Returns the present secret, and counts. */
  const present = async (): Promise<string> => {
    asked += 1;
    return upstream.secret;
  };
  /** @param ofIntrospection as the first one, or a text: then the function serves the API alone. */
  const start = async (method: Method, clientSecret: ClientSecret, ofIntrospection = clientSecret): Promise<void> => {
    const introspection = {
      endpoint: `${upstream.origin}/introspect`,
      clientId: 'notes',
      auth: { method, clientSecret: ofIntrospection },
      cacheSeconds: 0,
    };
    const calendar: DownstreamOptions = {
      grant: 'token-exchange',
      tokenEndpoint: `${upstream.origin}/token`,
      clientId: 'notes',
      auth: { method, clientSecret },
      audience: 'calendar',
      cacheSeconds: 0,
    };
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [{ issuer: issuer.issuer, introspection }], downstream: { calendar } },
      controllers: [TokenTools],
    });
  };
  const call = async (token: string): Promise<string> => {
    const response = await server.callTool('token', token);
    return `${response.status} ${await textOfTool(response)}`;
  };

  it.each(METHODS)('LIB-29: asks once for each endpoint, and remembers the secret (%s)', async (method) => {
    await start(method, present);
    const token = await server.mint();
    for (let count = 0; count < 3; count += 1) expect(await call(token)).toMatch(/^200 token-/);
    expect(asked).toBe(2);
    expect(new Set(upstream.seen)).toEqual(new Set(['canary-first']));
  });

  it.each(METHODS)('LIB-29: the secret changes while calls run, and no caller sees an error (%s)', async (method) => {
    await start(method, present);
    const token = await server.mint();
    await call(token);
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        if (index === 8) upstream.secret = 'canary-second';
        if (index === 16) upstream.secret = 'canary-third';
        if (index % 3 === 0) await new Promise(setImmediate);
        return call(token);
      }),
    );
    for (const answer of answers) expect(answer).toMatch(/^200 token-/);
    upstream.secret = 'canary-fourth';
    expect(await call(token)).toMatch(/^200 token-/);
    expect(upstream.seen.at(-1)).toBe('canary-fourth');
    expect(asked).toBeLessThanOrEqual(8);
    expect(server.log.join('\n')).not.toContain('canary');
  });

  it('LIB-29: asks again, and sends no second request, if the secret is still the refused one', async () => {
    const stale = (): string => {
      asked += 1;
      return 'canary-first';
    };
    await start('client_secret_basic', stale);
    const token = await server.mint();
    expect(await call(token)).toMatch(/^200/);
    const before = { asked, sent: upstream.seen.length };
    upstream.secret = 'canary-other';
    expect(await call(token)).toMatch(/^503/);
    expect({ asked, sent: upstream.seen.length }).toEqual({ asked: before.asked + 1, sent: before.sent + 1 });
    const options = inspect(server.app.get(ResolvedOptions), { depth: 20, showHidden: true });
    expect(options).not.toContain('canary');
  });

  it.each(NO_SECRETS)('LIB-29: sends nothing if the function returns %s', async (_what, value) => {
    await start('client_secret_basic', (() => value) as () => string, 'canary-first');
    const answer = await call(await server.mint());
    expect(answer).not.toContain('canary');
    expect(answer).not.toContain('token-');
    expect(upstream.seen).toHaveLength(1);
    const log = server.log.join('\n');
    expect(log).toContain('the function clientSecret must return a text of 1 to 4096 characters');
    expect(log).toContain('let clientSecret of downstream.calendar.auth return the present secret');
    expect(log).not.toContain('canary');
  });

  it('LIB-29: answers 503 while the function throws, shows nothing of it, and works afterwards', async () => {
    let fails = true;
    const sometimes = (): string => {
      if (fails) throw new Error('canary: the vault is closed');
      return upstream.secret;
    };
    await start('client_secret_post', sometimes, 'canary-first');
    const token = await server.mint();
    expect(await call(token)).toMatch(/^503/);
    expect(server.log.join('\n')).toContain('the function clientSecret threw, or took 5000 ms');
    expect(server.log.join('\n')).not.toContain('canary');
    fails = false;
    expect(await call(token)).toMatch(/^200 token-/);
  });

  it('LIB-29: tokens get 503 while the function of introspection throws', async () => {
    const throwing = (): string => {
      throw new Error('canary');
    };
    await start('client_secret_basic', 'canary-first', throwing);
    expect(await call(await server.mint())).toMatch(/^503/);
    expect(server.log.join('\n')).not.toContain('canary');
    expect(upstream.seen).toHaveLength(0);
  });
});
