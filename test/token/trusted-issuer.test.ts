import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { KindOf, McpAuthModuleOptions, TrustedIssuerOption } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { StaticKeySet } from '../../lib/issuer/static-key-set.js';
import { ExpiringMap } from '../../lib/token/expiring-map.js';
import { IssuerLookup, type FoundIssuer, type KnownIssuer } from '../../lib/token/issuer-lookup.js';
import { IssuerVerifier } from '../../lib/token/issuer-verifier.js';
import { ConfiguredIssuers } from '../../lib/token/trusted-issuers.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected, whoami } from '../support/tokens.js';
import { until } from '../support/until.js';

// Issuers that the application looks up when their tokens come, such as one for each tenant.

const TRUSTED_MS = 300_000;
const NOT_TRUSTED_MS = 10_000;

describe.each(PLATFORMS)('trustedIssuer, on %s', (platform) => {
  let server: NotesServer;
  let home: TestIssuer;
  let tenant: TestIssuer;
  let asked: string[];
  /** What the application says of an issuer. */
  let answer: TrustedIssuerOption;

  beforeEach(async () => {
    const now = (): number => server?.clock.now ?? Date.now();
    [home, tenant] = await Promise.all([
      TestIssuer.start({ alg: 'ES256', now }),
      TestIssuer.start({ alg: 'ES256', now, path: '/tenant', introspection: true }),
    ]);
    asked = [];
    answer = (issuer) => (issuer === tenant.issuer ? issuer : undefined);
    const trustedIssuer: TrustedIssuerOption = (issuer) => {
      asked.push(issuer);
      return answer(issuer);
    };
    const options = { authorizationServers: [home.issuer], trustedIssuer } as Partial<McpAuthModuleOptions>;
    server = await startNotesServer(platform, { sharedIssuer: home, options });
    resetRecorded(server);
  });
  afterEach(async () => {
    await server.close();
    await Promise.all([home, tenant].map((issuer) => issuer.close()));
  });

  const lasting = (): object => ({ exp: Math.floor(server.clock.now / 1000) + 7_200 });
  const tokenOf = (issuer: TestIssuer, claims: object = {}): Promise<string> =>
    issuer.mint({ aud: server.resource, ...lasting(), ...claims });

  async function expectUndecided(token: string): Promise<void> {
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expectReason(server, 'issuer_lookup_failed');
  }

  it('writes what it failed with on one line of the log, whatever stands in the issuer', async () => {
    answer = (issuer) => {
      throw new Error(`no tenant has the issuer ${issuer}`);
    };
    await server.callTool(
      'ping',
      await tenant.mint({ aud: server.resource, iss: `${tenant.issuer}/\nERROR forged\u001b[2J` }),
    );
    const lines = server.log.filter((line) => line.includes('The lookup of the issuer'));
    expect(lines).toEqual([expect.stringContaining('no tenant has the issuer')]);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
  });

  it('has tokens of an issuer accepted that it finds, with the keys of that issuer', async () => {
    expect(await whoami(server, await tokenOf(tenant))).toMatchObject({ issuer: tenant.issuer, subject: 'alice' });
    await expectRejected(server, await tenant.mint({ aud: server.resource }, { key: home.key }), 'key_unknown');
  });

  it('is not asked about issuers that are configured, nor about tokens that name none', async () => {
    await expectAccepted(server, await tokenOf(home));
    for (const iss of [undefined, 7, ['a'], '', 'no-url', `https://long.example/${'x'.repeat(2_048)}`]) {
      await expectRejected(server, await home.mint({ aud: server.resource, iss }), 'issuer_unknown');
    }
    expect(asked).toEqual([]);
  });

  it('has tokens of others refused, without a request to them', async () => {
    const stranger = await TestIssuer.start({ alg: 'ES256' });
    try {
      await expectRejected(server, await tokenOf(stranger), 'issuer_unknown');
      await expectRejected(server, await tokenOf(tenant, { iss: `${tenant.issuer}/` }), 'issuer_unknown');
      expect(stranger.requests).toEqual([]);
      expect(asked).toEqual([stranger.issuer, `${tenant.issuer}/`]);
    } finally {
      await stranger.close();
    }
  });

  it('does not publish what it finds', async () => {
    await expectAccepted(server, await tokenOf(tenant));
    const metadata = (await (
      await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`)
    ).json()) as object;
    expect(metadata).toMatchObject({ authorization_servers: [home.issuer] });
  });

  it('may be slow, and is then asked once for all who wait', async () => {
    let release: (issuer: string) => void = () => undefined;
    const slow = new Promise<string>((resolve) => (release = resolve));
    answer = () => slow;
    const tokens = await Promise.all(Array.from({ length: 5 }, (_, index) => tokenOf(tenant, { jti: `${index}` })));
    const responses = Promise.all(tokens.map((token) => server.callTool('ping', token)));
    await until(() => asked.length > 0);
    release(tenant.issuer);
    expect((await responses).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(asked).toEqual([tenant.issuer]);
  });

  it('LIB-11: is asked about 32 unknown issuers at a time, and about those that it found before whatever comes', async () => {
    await expectAccepted(server, await tokenOf(tenant));
    server.clock.now += TRUSTED_MS;
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    answer = async (issuer) => {
      if (issuer === tenant.issuer) return issuer;
      await slow;
      return undefined;
    };
    asked = [];
    const tokens = await Promise.all(
      Array.from({ length: 60 }, (_, index) => tokenOf(home, { iss: `https://made-up-${index}.example` })),
    );
    const answers = tokens.map((token) => server.callTool('ping', token));
    const turnedAway: number[] = [];
    const note = ({ status }: { status: number }): number => {
      if (status === 503) turnedAway.push(status);
      return status;
    };
    const rest = Promise.all(answers.map((one) => one.then(note)));
    // All have to be there before the first is released.
    await until(() => asked.length >= 32 && turnedAway.length >= 28);
    await expectUndecided(await tokenOf(home, { iss: 'https://one-more.example' }));
    await expectAccepted(server, await tokenOf(tenant));
    release();
    const statuses = await rest;
    expect(statuses.filter((status) => status === 401)).toHaveLength(32);
    expect(statuses.filter((status) => status === 503)).toHaveLength(28);
    expect(asked).toHaveLength(32 + 1);
  });

  it('is asked again after five minutes, when the keys stay if nothing has changed', async () => {
    await expectAccepted(server, await tokenOf(tenant));
    server.clock.now += TRUSTED_MS - 1;
    await expectAccepted(server, await tokenOf(tenant));
    expect(asked).toHaveLength(1);
    server.clock.now += 1;
    await expectAccepted(server, await tokenOf(tenant));
    expect(asked).toHaveLength(2);
    expect(tenant.requestCount('jwks')).toBe(1);
  });

  it('keeps the keys also where the same function says of what kind a caller is, and asks anew where it is another', async () => {
    const [one, other]: KindOf[] = [() => 'user', () => 'client'];
    answer = (issuer) => ({ issuer, kindOf: one! });
    expect(await whoami(server, await tokenOf(tenant))).toMatchObject({ kind: 'user' });
    server.clock.now += TRUSTED_MS;
    expect(await whoami(server, await tokenOf(tenant))).toMatchObject({ kind: 'user' });
    expect(tenant.requestCount('jwks')).toBe(1);
    answer = (issuer) => ({ issuer, kindOf: other! });
    server.clock.now += TRUSTED_MS;
    expect(await whoami(server, await tokenOf(tenant, { jti: 'new' }))).toMatchObject({ kind: 'client' });
    expect(tenant.requestCount('jwks')).toBe(2);
  });

  it('ends the trust in an issuer, tokens that are remembered included, when it no longer finds it', async () => {
    server.clock.now += 1_000;
    const token = await tokenOf(tenant);
    await expectAccepted(server, token);
    answer = () => undefined;
    server.clock.now += TRUSTED_MS - 1;
    const [verifiedLate, another] = [await tokenOf(tenant), await tokenOf(tenant)];
    for (const accepted of [token, verifiedLate]) await expectAccepted(server, accepted);
    server.clock.now += 1;
    for (const refused of [verifiedLate, token, another]) await expectRejected(server, refused, 'issuer_unknown');
  });

  it('may change what holds for an issuer', async () => {
    const token = await tokenOf(tenant);
    await expectAccepted(server, token);
    answer = () => ({ issuer: tenant.issuer, algorithms: ['RS256'] });
    server.clock.now += TRUSTED_MS;
    await expectRejected(server, token, 'algorithm_rejected');
  });

  it('is asked again after ten seconds about an issuer that it did not find', async () => {
    answer = () => undefined;
    const token = await tokenOf(tenant);
    await expectRejected(server, token, 'issuer_unknown');
    answer = (issuer) => issuer;
    server.clock.now += NOT_TRUSTED_MS - 1;
    await expectRejected(server, token, 'issuer_unknown');
    expect(asked).toHaveLength(1);
    server.clock.now += 1;
    await expectAccepted(server, token);
  });

  it.each([undefined, null, false])('finds nothing by returning %p', async (nothing) => {
    answer = () => nothing as undefined;
    await expectRejected(server, await tokenOf(tenant), 'issuer_unknown');
  });

  it('may find a server whose tokens are asked about', async () => {
    answer = (issuer) => ({ ...introspecting(tenant), issuer });
    const token = await tokenOf(tenant);
    await expectAccepted(server, token);
    expect(tenant.requestCount('introspection')).toBe(1);
    tenant.revoke(token);
    server.clock.now += 60_000;
    await expectRejected(server, token, 'token_inactive');
    // Opaque tokens name no issuer that could be looked up.
    await expectRejected(server, tenant.opaque({ aud: server.resource }), 'token_malformed');
  });

  it.each<[what: string, answer: () => unknown, seen: RegExp]>([
    ['finds another issuer', () => home.issuer, /the issuer that was asked for is/],
    ['finds an issuer that is spelt in another way', () => `${tenant.issuer}/`, /the issuer that was asked for is/],
    ['finds something other than a server', () => 7, /must be an absolute URL/],
    [
      'finds a server with an option that does not exist',
      () => ({ issuer: tenant.issuer, audiance: 'x' }),
      /no such option/,
    ],
    [
      'finds a server with a symmetric algorithm',
      () => ({ issuer: tenant.issuer, algorithms: ['HS256'] }),
      /asymmetric/,
    ],
    [
      'finds keys at a place that is not https',
      () => ({ issuer: tenant.issuer, jwksUri: 'http://as.example/keys' }),
      /plain http/,
    ],
    ['fails', () => Promise.reject(new Error('tenants are down')), /tenants are down/],
    [
      'throws',
      () => {
        throw new Error('tenants are down');
      },
      /tenants are down/,
    ],
  ])('answers 503 where it %s, and tells the operator', async (_what, given, seen) => {
    answer = given as typeof answer;
    await expectUndecided(await tokenOf(tenant));
    expect(server.log.join('\n')).toMatch(seen);
    expect(tenant.requests).toEqual([]);
    answer = (issuer) => issuer;
    await expectAccepted(server, await tokenOf(tenant));
  });

  it('writes no line of its own into the log that a token brought', async () => {
    answer = () => Promise.reject(new Error('down'));
    await expectUndecided(await tokenOf(tenant, { iss: 'https://x.example/\nERROR forged' }));
    expect(server.log.join('\n')).not.toMatch(/^ERROR forged/m);
  });
});

describe('IssuerLookup', () => {
  class Nothing extends IssuerVerifier {
    override readonly signatures = { keys: new StaticKeySet({ keys: [] }), algorithms: [] };

    override verify(): never {
      throw new Error('never');
    }
  }

  let now: number;
  let asked: string[];
  let lookup: IssuerLookup;
  let answer: (issuer: string) => FoundIssuer | undefined | Promise<undefined>;
  beforeEach(() => {
    now = 1_700_000_000_000;
    asked = [];
    answer = () => ({ version: '1', create: () => new Nothing() });
    const clock = (): number => now;
    const find = async (issuer: string): Promise<FoundIssuer | undefined> => (asked.push(issuer), answer(issuer));
    const configured = new ConfiguredIssuers(new Map([['https://home.example', new Nothing()]]));
    lookup = new IssuerLookup(
      configured,
      find,
      new ExpiringMap<KnownIssuer>(2, clock),
      new ExpiringMap<true>(2, clock),
      clock,
    );
  });
  const issuer = (name: string): string => `https://${name}.example`;

  it('trusts configured issuers for ever', async () => {
    expect(await lookup.find(issuer('home'))).toMatchObject({ until: Infinity });
    expect(asked).toEqual([]);
  });

  it('keeps what it made while nothing changes, and makes it anew when something does', async () => {
    const first = await lookup.find(issuer('a'));
    now += TRUSTED_MS;
    const second = await lookup.find(issuer('a'));
    expect(second?.verifier).toBe(first?.verifier);
    expect(second?.until).toBe(now + TRUSTED_MS);
    answer = () => ({ version: '2', create: () => new Nothing() });
    now += TRUSTED_MS;
    expect((await lookup.find(issuer('a')))?.verifier).not.toBe(first?.verifier);
  });

  it('makes it anew where it cannot be told whether something changed', async () => {
    answer = () => ({ version: undefined, create: () => new Nothing() });
    const first = await lookup.find(issuer('a'));
    now += TRUSTED_MS;
    expect((await lookup.find(issuer('a')))?.verifier).not.toBe(first?.verifier);
  });

  it('is bounded: drops the issuer, and what was made for it, that was not used for the longest time', async () => {
    const [a] = [await lookup.find(issuer('a')), await lookup.find(issuer('b')), await lookup.find(issuer('c'))];
    expect((await lookup.find(issuer('a')))?.verifier).not.toBe(a?.verifier);
    expect(asked.map((one) => new URL(one).host[0])).toEqual(['a', 'b', 'c', 'a']);
  });

  it('lets issuers that do not exist push out none that do', async () => {
    await lookup.find(issuer('a'));
    answer = () => undefined;
    for (const name of ['x', 'y', 'z']) expect(await lookup.find(issuer(name))).toBeUndefined();
    asked = [];
    expect(await lookup.find(issuer('a'))).toBeDefined();
    expect(asked).toEqual([]);
  });

  it('asks about an issuer that is not trusted only now and then', async () => {
    answer = () => undefined;
    const askedAfter = async (ms: number): Promise<number> => {
      now += ms;
      expect(await lookup.find(issuer('x'))).toBeUndefined();
      return asked.length;
    };
    expect([await askedAfter(0), await askedAfter(NOT_TRUSTED_MS - 1), await askedAfter(1)]).toEqual([1, 1, 2]);
  });

  it('asks about no text that is too long for an issuer, or is no URL', async () => {
    const longest = `${issuer('a')}/`.padEnd(2_048, 'a');
    expect(await lookup.find(`${longest}a`)).toBeUndefined();
    expect(await lookup.find('text')).toBeUndefined();
    expect(asked).toEqual([]);
    expect(await lookup.find(longest)).toBeDefined();
  });

  it('asks about 32 unknown issuers at a time, and about known ones besides', async () => {
    await lookup.find(issuer('known'));
    now += TRUSTED_MS;
    let proceed = (): void => undefined;
    const told = new Promise<void>((resolve) => (proceed = resolve));
    answer = () => told.then(() => undefined);
    const unknown = Array.from({ length: 32 }, (_, at) => lookup.find(issuer(`u${at}`)));
    await expect(lookup.find(issuer('more'))).rejects.toMatchObject({ reason: 'issuer_lookup_failed' });
    const known = lookup.find(issuer('known'));
    proceed();
    expect(await known).toBeUndefined();
    expect(await Promise.all(unknown)).toHaveLength(32);
    expect(asked).toHaveLength(34);
  });

  it('remembers no failure', async () => {
    answer = () => {
      throw new Error('down');
    };
    await expect(lookup.find(issuer('a'))).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      reason: 'issuer_lookup_failed',
    });
    answer = () => ({ version: '1', create: () => new Nothing() });
    expect(await lookup.find(issuer('a'))).toBeDefined();
  });
});
