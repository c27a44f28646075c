import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, type DynamicModule } from '@nestjs/common';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { McpAuthHealthIndicator, McpAuthModule, Public, type McpAuthHealth } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { Clock } from '../lib/core/clock.js';
import { introspecting } from './support/introspection.js';
import { ManualClock } from './support/manual-clock.js';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

const RESOURCE = 'https://mcp.example.com/mcp';

@Controller('health')
@Public()
class HealthController {
  constructor(
    @Inject(HealthCheckService) private readonly health: HealthCheckService,
    @Inject(McpAuthHealthIndicator) private readonly mcpAuth: McpAuthHealthIndicator,
  ) {}

  @Get()
  check() {
    return this.health.check([() => this.mcpAuth.isHealthy()]);
  }
}

@Controller('notes')
class NotesController {
  @Get()
  get(): string {
    return 'notes';
  }
}

/** What is known comes of tokens alone here. */
const SETTINGS = { resource: RESOURCE, checkAuthorizationServers: false };

interface Health {
  readonly status: number;
  readonly text: string;
  readonly result: McpAuthHealth['mcp-auth'];
}

describe.each(PLATFORMS)('McpAuthHealthIndicator with @nestjs/terminus, on %s', (platform) => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  async function start(module: (issuer: TestIssuer) => DynamicModule, settings: { introspection?: true } = {}) {
    const clock = new ManualClock();
    const issuer = await TestIssuer.start({ now: () => clock.now, ...settings });
    closing.push(() => issuer.close());
    const imports = [module(issuer), TerminusModule.forRoot({ logger: false })];
    const compiled = await Test.createTestingModule({ imports, controllers: [HealthController, NotesController] })
      .overrideProvider(Clock)
      .useValue(clock.provider)
      .compile();
    const app = compiled.createNestApplication(adapterFor(platform), { logger: false });
    const origin = await listen(app);
    closing.push(() => app.close());
    const health = async (): Promise<Health> => {
      const before = issuer.requests.length;
      const response = await fetch(`${origin}/health`);
      expect(issuer.requests).toHaveLength(before);
      const text = await response.text();
      const { details } = JSON.parse(text) as { details: McpAuthHealth };
      return { status: response.status, text, result: details['mcp-auth']! };
    };
    const call = async (claims: Record<string, unknown> = {}): Promise<number> => {
      const token = await issuer.mint({ aud: RESOURCE, ...claims });
      return (await fetch(`${origin}/notes`, { headers: { authorization: `Bearer ${token}` } })).status;
    };
    return { app, clock, issuer, health, call };
  }

  const trusting = (issuer: TestIssuer): DynamicModule =>
    McpAuthModule.forRoot({ ...SETTINGS, authorizationServers: [issuer.issuer] });

  it('is up before the first token came, when nobody can tell', async () => {
    const { health, issuer } = await start(trusting);
    expect(await health()).toMatchObject({
      status: 200,
      result: { status: 'up', issuers: { [issuer.issuer]: { state: 'not asked yet' } } },
    });
  });

  it('says how many keys are known, and how old they are', async () => {
    const { health, issuer, call, clock } = await start(trusting);
    expect(await call()).toBe(200);
    clock.now += 42_000;
    expect((await health()).result).toEqual({
      status: 'up',
      issuers: { [issuer.issuer]: { state: 'ready', keys: 1, ageSeconds: 42 } },
    });
  });

  it('is up while there are keys, if stale ones', async () => {
    const { health, issuer, call, clock } = await start(trusting);
    await call();
    issuer.fail('error');
    clock.now += 11 * 60_000;
    expect(await call()).toBe(200);
    const { status, result } = await until(
      health,
      ({ result: { issuers } }) => issuers[issuer.issuer]?.state === 'stale',
    );
    expect(status).toBe(200);
    expect(result).toMatchObject({
      status: 'up',
      issuers: { [issuer.issuer]: { state: 'stale', keys: 1, lastFailure: { what: 'keys' } } },
    });
  });

  it('is down while tokens are answered with 503, and up again when they are not', async () => {
    const { health, issuer, call, clock } = await start(trusting);
    issuer.fail('error');
    expect(await call()).toBe(503);
    clock.now += 5_000;
    const down = await health();
    expect(down).toMatchObject({
      status: 503,
      result: {
        status: 'down',
        issuers: { [issuer.issuer]: { state: 'unreachable', lastFailure: { what: 'metadata', secondsAgo: 5 } } },
      },
    });
    expect(down.text).not.toMatch(/status 500|well-known/);
    issuer.recover();
    expect(await call()).toBe(200);
    expect(await health()).toMatchObject({
      status: 200,
      result: { status: 'up', issuers: { [issuer.issuer]: { state: 'ready' } } },
    });
  });

  it('is up again a minute after the last failure, or a server that gets no requests would stay down for ever', async () => {
    const { health, issuer, call, clock } = await start(trusting);
    issuer.fail('error');
    await call();
    clock.now += 59_999;
    expect((await health()).status).toBe(503);
    clock.now += 1;
    expect((await health()).result).toMatchObject({
      status: 'up',
      issuers: { [issuer.issuer]: { state: 'not asked lately' } },
    });
    await call();
    expect((await health()).status).toBe(503);
  });

  it('does not count keys that are too old to be used', async () => {
    const { health, issuer, call, clock } = await start(trusting);
    await call();
    clock.now += 7 * 3_600_000;
    expect((await health()).result.issuers[issuer.issuer]).toMatchObject({ state: 'not asked lately' });
    issuer.fail('error');
    expect(await call({ jti: 'another' })).toBe(503);
    expect((await health()).status).toBe(503);
  });

  it('is ready with keys from the configuration', async () => {
    const { health, issuer } = await start((one) =>
      McpAuthModule.forRoot({
        ...SETTINGS,
        authorizationServers: [{ issuer: one.issuer, jwks: { keys: [one.key.publicJwk] } }],
      }),
    );
    expect((await health()).result).toEqual({
      status: 'up',
      issuers: { [issuer.issuer]: { state: 'ready', keys: 1 } },
    });
  });

  it('follows introspection too', async () => {
    const { health, issuer, call, clock } = await start(
      (one) => McpAuthModule.forRoot({ ...SETTINGS, authorizationServers: [introspecting(one)] }),
      { introspection: true },
    );
    expect((await health()).result.issuers[issuer.issuer]).toEqual({ state: 'not asked yet' });
    await call();
    expect((await health()).result.issuers[issuer.issuer]).toEqual({ state: 'ready', ageSeconds: 0 });
    issuer.fail('error', 'introspection');
    expect(await call({ jti: 'another' })).toBe(503);
    // Anybody can bring a token that some server has no good answer for: one such is no outage.
    expect(await health()).toMatchObject({
      status: 200,
      result: { issuers: { [issuer.issuer]: { state: 'ready', lastFailure: { what: 'introspection' } } } },
    });
    clock.now += 60_000;
    expect(await call({ jti: 'a third' })).toBe(503);
    expect(await health()).toMatchObject({
      status: 503,
      result: { issuers: { [issuer.issuer]: { state: 'unreachable', lastFailure: { what: 'introspection' } } } },
    });
  });

  it('counts issuers that were looked up, and is not down for one of them', async () => {
    const { health, issuer, call } = await start((one) =>
      McpAuthModule.forRoot({
        ...SETTINGS,
        authorizationServers: ['https://home.example'],
        trustedIssuer: (asked: string) => (asked === one.issuer ? asked : undefined),
      }),
    );
    issuer.fail('error');
    expect(await call()).toBe(503);
    expect(await health()).toMatchObject({
      status: 200,
      result: { status: 'up', lookedUp: { asked: 1, unreachable: 1 } },
    });
  });

  it('stands under the key it is given', async () => {
    const { app } = await start(trusting);
    expect(Object.keys(app.get(McpAuthHealthIndicator).isHealthy('sign-in'))).toEqual(['sign-in']);
  });
});

/** What goes on in the background takes a few turns of the event loop. */
async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (let turn = 0; ; turn++) {
    const answer = await ask();
    if (isSo(answer) || turn === 50) return answer;
  }
}
