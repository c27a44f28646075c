import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpAuthModule, McpAuthService, type CertificateHeaderOptions } from 'nestjs-mcp-auth';
import { TestCertificate, TestIssuer } from 'nestjs-mcp-auth/testing';
import { TrustedPeers } from '../../lib/request/trusted-peers.js';
import { expectProblems, GOOD, type Row } from '../options/started-app.js';
import { startIntrospectingServer } from '../support/introspection.js';
import { askingForCertificates, startMutualTlsServer, type MutualTlsServer } from '../support/mutual-tls-server.js';
import { startNotesServer } from '../support/notes-server.js';
import { adapterFor, PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';

const withMutualTls = (mutualTls: unknown): object => ({ ...GOOD, mutualTls });
const withHeader = (certificate: object): object => withMutualTls({ certificate });
const AT = 'mutualTls.certificate';
const PROXIES = ['10.0.0.1'];

const REFUSED: readonly Row[] = [
  ['an unknown mode', withMutualTls('on'), ['mutualTls', '"on"', /is not a known value/]],
  [
    'an unknown source',
    withMutualTls({ certificate: 'header' }),
    [AT, '"header"', /must be "connection" or an object/],
  ],
  [
    'a header field that anybody may send',
    withHeader({ header: 'client-cert' }),
    [`${AT}.trustedProxies`, 'nothing', /it is required: anybody can send a header field/],
  ],
  [
    'no proxies',
    withHeader({ header: 'client-cert', trustedProxies: [] }),
    [`${AT}.trustedProxies`, '[]', /must be a list of non-empty strings/],
  ],
  ...[
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0/8',
    '2001:db8::/129',
    'proxy.internal',
    '10.0.0.1:80',
    '*',
    'loopback',
  ].map((one): Row => [
    `${one} as a proxy`,
    withHeader({ header: 'client-cert', trustedProxies: [one] }),
    [`${AT}.trustedProxies`, `"${one}"`, /must be an IP address, or a range that does not hold all/],
  ]),
  [
    'a field of a format that is not known',
    withHeader({ header: 'x-client-cert', trustedProxies: PROXIES }),
    [`${AT}.format`, 'nothing', /the format of the header field "x-client-cert" is not known/],
  ],
  [
    'a field with a meaning of its own',
    withHeader({ header: 'authorization', trustedProxies: PROXIES, format: 'pem' }),
    [`${AT}.header`, '"authorization"', /has a meaning of its own/],
  ],
  [
    'a misspelt option, and no field',
    withHeader({ heade: 'client-cert', trustedProxies: PROXIES }),
    [`${AT}.heade`, 'a value', /no such option/],
    [`${AT}.header`, 'nothing', /it is required/],
  ],
];

describe('the option mutualTls', () => {
  it.each(REFUSED)('refuses %s at the start', expectProblems);
});

describe('TrustedPeers', () => {
  const trusts = (texts: string[], remoteAddress: unknown, server?: object): boolean =>
    new TrustedPeers(texts).includes({ headers: {}, rawHeaders: [], method: 'GET', socket: { remoteAddress, server } });

  it.each([
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', true],
    [['10.0.0.0/8'], '::ffff:11.0.0.1', false],
    [['10.0.0.1'], '10.0.0.1', true],
    [['10.0.0.1'], '10.0.0.10', false],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['unix'], '127.0.0.1', false],
    [['::1', '10.0.0.1'], '::1', true],
    [['10.0.0.1'], '10.0.0.1, 10.0.0.2', false],
    [['10.0.0.1'], undefined, false],
  ])('RFC8705-3-b: of %j, judges %s', (texts, address, expected) => {
    expect(trusts(texts, address)).toBe(expected);
  });

  it('RFC8705-3-b: does not take a closed connection for one over a Unix domain socket', () => {
    expect(trusts(['unix'], undefined, { address: () => ({ port: 80 }) })).toBe(false);
    expect(trusts(['unix'], undefined, { address: () => null })).toBe(false);
    expect(trusts(['unix'], undefined)).toBe(false);
    expect(trusts(['unix'], undefined, { address: () => '/run/app.sock' })).toBe(true);
    expect(trusts(['10.0.0.1'], undefined, { address: () => '/run/app.sock' })).toBe(false);
  });
});

@Controller('plain')
class PlainController {
  @Get()
  get(): object {
    return {};
  }
}

describe.each(PLATFORMS)('mutual TLS, on %s', (platform) => {
  const open: { close(): Promise<unknown> }[] = [];
  const opened = <T extends { close(): Promise<unknown> }>(one: T): T => (open.push(one), one);
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  it('RFC8705-3-b: believes the proxy that connects through a Unix domain socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mtls-'));
    const socketPath = join(folder, 'app.sock');
    const issuer = opened(await TestIssuer.start({ alg: 'ES256' }));
    const certificate = TestCertificate.generate();
    const resource = 'https://mcp.example.com/mcp';
    const token = await issuer.mint({ aud: resource, cnf: certificate.confirmation });
    const headers = {
      host: 'mcp.example.com',
      ...bearer(token),
      'client-cert': `:${certificate.der.toString('base64')}:`,
    };
    const statusWith = async (trustedProxies: string[]): Promise<number | undefined> => {
      const module = McpAuthModule.forRoot({
        resource,
        authorizationServers: [issuer.issuer],
        checkAuthorizationServers: false,
        mutualTls: { certificate: { header: 'client-cert', trustedProxies } },
      });
      const root = { module: class {}, imports: [module], controllers: [PlainController] };
      const app = await NestFactory.create(root, adapterFor(platform), { abortOnError: false, logger: false });
      await app.listen(socketPath);
      try {
        return await new Promise((resolve, reject) => {
          const sent = request({ socketPath, path: '/plain', headers, agent: false }, (response) => {
            response.resume();
            response.on('end', () => resolve(response.statusCode));
          });
          sent.on('error', reject);
          sent.end();
        });
      } finally {
        await app.close();
      }
    };
    try {
      expect([await statusWith(['unix']), await statusWith(['127.0.0.1', '::1'])]).toEqual([200, 401]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('RFC8705-3.2: takes the certificate of an opaque token from the answer of introspection', async () => {
    const certificate = TestCertificate.generate();
    const mutualTls = { certificate: { header: 'client-cert', trustedProxies: ['127.0.0.1'] } };
    const server = opened(await startIntrospectingServer(platform, { options: { mutualTls } }));
    const field = (one: TestCertificate): Record<string, string> => ({
      'client-cert': `:${one.der.toString('base64')}:`,
    });
    const token = server.opaque({ cnf: certificate.confirmation });
    const statusOf = async (presented: string, headers: Record<string, string>): Promise<number> =>
      (await server.callTool('ping', presented, {}, headers)).status;
    expect(await statusOf(token, field(certificate))).toBe(200);
    expect(await statusOf(token, field(TestCertificate.generate()))).toBe(401);
    expect(await statusOf(token, {})).toBe(401);
    // An answer that leaves the certificate of a JWT out, or one of several keys, or names another certificate.
    const jwt = await server.mint({ cnf: { ...certificate.confirmation, jkt: 'a'.repeat(43) } });
    for (const cnf of [undefined, certificate.confirmation, { 'x5t#S256': 'a'.repeat(43) }]) {
      server.issuer.answerIntrospection = (right) => ({ ...right, cnf });
      expect(await statusOf(jwt, field(certificate))).toBe(401);
    }
    expect(server.ran).toEqual(['ping']);
  });

  it('RFC8705-3-a: takes the certificate from what a verifier of the application returns', async () => {
    const certificate = TestCertificate.generate();
    const mutualTls = { certificate: { header: 'client-cert', trustedProxies: ['127.0.0.1'] } };
    const issuer = opened(await TestIssuer.start({ alg: 'ES256' }));
    const server = opened(
      await startNotesServer(platform, {
        sharedIssuer: issuer,
        options: {
          mutualTls,
          verifier: () => ({
            issuer: issuer.issuer,
            subject: 'alice',
            scopes: [],
            audience: [server.resource],
            expiresAt: Math.floor(Date.now() / 1000) + 60,
            claims: { cnf: certificate.confirmation },
          }),
        },
      }),
    );
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await server.callTool('ping', 'opaque', {}, headers)).status;
    expect(await statusOf({ 'client-cert': `:${certificate.der.toString('base64')}:` })).toBe(200);
    expect(await statusOf({})).toBe(401);
  });

  it('RFC8705-3-a: verifies no token that is bound to a certificate without its request', async () => {
    const mtls = opened(await startMutualTlsServer(platform));
    const service = mtls.server.app.get(McpAuthService);
    await expect(service.verify(await mtls.mintBound())).rejects.toMatchObject({ reason: 'certificate_missing' });
    expect(await service.verify(await mtls.server.mint())).toMatchObject({ proof: undefined });
  });

  describe('warns at the start', () => {
    const warnings = ({ server }: Pick<MutualTlsServer, 'server'>): string[] =>
      server.log.filter((line) => line.includes('client certificates'));

    it('of a server that asks clients for no certificates', async () => {
      const { key, cert } = askingForCertificates();
      for (const https of [undefined, { key, cert }]) {
        const settings = https ? { https } : {};
        const server = opened(await startNotesServer(platform, { options: { mutualTls: 'accepted' }, ...settings }));
        expect(warnings({ server })).toEqual([
          expect.stringMatching(/does not ask clients for any.*requestCert: true/),
        ]);
      }
    });

    it('of nothing where it asks, where a proxy does, and where the option is off', async () => {
      const certificate: CertificateHeaderOptions = { header: 'client-cert', trustedProxies: PROXIES };
      expect(warnings(opened(await startMutualTlsServer(platform)))).toEqual([]);
      for (const options of [{ mutualTls: { certificate } }, {}])
        expect(warnings({ server: opened(await startNotesServer(platform, { options })) })).toEqual([]);
    });
  });
});
