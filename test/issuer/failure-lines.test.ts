import { afterEach, describe, expect, it } from '@jest/globals';
import type { McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { expectNoTrace, expectRefusal, resetRecorded } from '../support/expectations.js';
import { introspecting, startIntrospectingServer } from '../support/introspection.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

// What the log says when something of an authorization server cannot be had, and what to do about it.

describe.each(PLATFORMS)('the line about a failure, on %s', (platform) => {
  let server: NotesServer | undefined;
  const issuers: TestIssuer[] = [];
  afterEach(async () => {
    await server?.close();
    server = undefined;
    for (const issuer of issuers.splice(0)) await issuer.close();
  });

  async function issuerWith(options: TestIssuerOptions = {}): Promise<TestIssuer> {
    const issuer = await TestIssuer.start({ alg: 'ES256', now: () => server?.clock.now ?? Date.now(), ...options });
    issuers.push(issuer);
    return issuer;
  }

  /** The lines about an issuer after one token of it was answered with 503. */
  async function linesAbout(issuer: TestIssuer, options: Partial<McpAuthModuleOptions> = {}): Promise<string[]> {
    server = await startNotesServer(platform, {
      sharedIssuer: issuer,
      options: { authorizationServers: [issuer.issuer], ...options } as never,
    });
    const token = await server.mint();
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    return server.log.filter(
      (line) =>
        /Cannot fetch the keys|no usable answer/.test(line) &&
        line.includes(issuer.issuer) &&
        !line.startsWith('Refused'),
    );
  }

  it.each<[endpoint: 'metadata' | 'jwks', option: string]>([
    ['metadata', 'discovery: { url } (or the whole document as metadata)'],
    ['jwks', 'jwksUri'],
  ])('says that a redirect is not followed, where it leads, and the option for that (%s)', async (endpoint, option) => {
    const issuer = await issuerWith();
    issuer.fail('redirect', endpoint);
    const [line, ...others] = await linesAbout(issuer);
    expect(others).toEqual([]);
    expect(line).toContain(
      `status 302, a redirect to "${new URL(issuer.issuer).origin}/canary/${endpoint}", and redirects are not followed`,
    );
    expect(line).toContain(`What to do: configure the URL that it redirects to: ${option}`);
    expect(issuer.requestCount('canary')).toBe(0);
  });

  it('says so of introspection too', async () => {
    const issuer = await issuerWith({ introspection: true });
    issuer.fail('redirect', 'introspection');
    const [line] = await linesAbout(issuer, { authorizationServers: [introspecting(issuer)] });
    expect(line).toContain('What to do: configure the URL that it redirects to: introspection.endpoint');
  });

  it.each<[code: string, remedy: RegExp]>([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS=/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /NODE_EXTRA_CA_CERTS=/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS=.*intermediate certificates/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /NODE_EXTRA_CA_CERTS=/],
    ['CERT_HAS_EXPIRED', /has expired: renew it/],
    ['CERT_NOT_YET_VALID', /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /for another name/],
  ])('says what to do about a certificate: %s', async (code, remedy) => {
    const issuer = await issuerWith();
    const fetchInVain: typeof fetch = () =>
      Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('tls'), { code }) }));
    const [line] = await linesAbout(issuer, { fetch: fetchInVain } as Partial<McpAuthModuleOptions>);
    expect(line).toContain(`no answer (${code})`);
    expect(line).toMatch(remedy);
  });

  it('says nothing more where nothing more is known', async () => {
    const issuer = await issuerWith();
    issuer.fail('down');
    const [line] = await linesAbout(issuer);
    expect(line).not.toContain('What to do');
  });

  it('is written when an outage begins, and once a minute while it lasts', async () => {
    const issuer = await issuerWith();
    issuer.fail('error');
    const lines = await linesAbout(issuer);
    const { callTool, clock, log, mint } = server as NotesServer;
    for (let seconds = 0; seconds < 60; seconds += 3) {
      await (await callTool('ping', await mint())).text();
      clock.now += 3_000;
    }
    const said = (): string[] => log.filter((line) => line.startsWith('Cannot fetch the keys of'));
    expect(said()).toEqual(lines);
    await (await callTool('ping', await mint())).text();
    expect(said()).toHaveLength(2);
  });
});

describe.each(PLATFORMS)('the line about tokens that are not active, on %s', (platform) => {
  const LINE = 'What to do: ';

  async function start(path = '') {
    const server = await startIntrospectingServer(platform, { issuer: { path } });
    const lines = (): string[] =>
      server.log.filter(
        (line) => /^Refused (?:an unexpired|every) token of /.test(line) && line.includes(server.issuer.issuer),
      );
    const inactive = async (token: string): Promise<void> => {
      const before = lines().length;
      const response = await server.callTool('ping', token);
      await response.text();
      expect(response.status).toBe(401);
      for (const line of lines().slice(before)) expectNoTrace(token, { line });
    };
    return { server, lines, inactive };
  }

  it('is written for a JWT that is in time, with what to do in the product', async () => {
    const { server, lines, inactive } = await start('/realms/main');
    try {
      server.issuer.answerIntrospection = () => ({ active: false });
      await inactive(await server.mint());
      expect(lines()).toEqual([
        expect.stringMatching(
          /Refused an unexpired token of .*: the introspection endpoint says that it is not active.*Keycloak: .*second Audience mapper, with the Included Client Audience resource-server$/,
        ),
      ]);
    } finally {
      await server.close();
    }
  });

  it('is written once in ten minutes, whatever comes', async () => {
    const { server, lines, inactive } = await start();
    try {
      server.issuer.answerIntrospection = () => ({ active: false });
      for (let i = 0; i < 20; i++) {
        await inactive(await server.mint({ exp: Math.floor(server.clock.now / 1000) + 300 }));
        server.clock.now += 29_000;
      }
      expect(lines()).toHaveLength(1);
      expect(lines()[0]).toContain(`${LINE}let the client "resource-server" introspect tokens`);
      server.clock.now += 20_000;
      await inactive(await server.mint({ exp: Math.floor(server.clock.now / 1000) + 300 }));
      expect(lines()).toHaveLength(2);
    } finally {
      await server.close();
    }
  });

  it('is written for opaque tokens where a number of them came, and none was ever active', async () => {
    const { server, lines, inactive } = await start();
    try {
      for (let i = 0; i < 4; i++) await inactive(`made-up-${i}`);
      expect(lines()).toEqual([]);
      await inactive('made-up-4');
      expect(lines()).toEqual([expect.stringContaining('the introspection endpoint calls each of them inactive')]);
    } finally {
      await server.close();
    }
  });

  it('is not written for opaque tokens where others are active, nor for JWTs that have expired', async () => {
    const { server, lines, inactive } = await start();
    try {
      await (await server.callTool('ping', server.opaque())).text();
      for (let i = 0; i < 20; i++) await inactive(`made-up-${i}`);
      await inactive(await server.mint({ exp: Math.floor(server.clock.now / 1000) - 60 }));
      expect(lines()).toEqual([]);
      resetRecorded(server);
    } finally {
      await server.close();
    }
  });
});
