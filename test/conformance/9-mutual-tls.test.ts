import { hash, X509Certificate } from 'node:crypto';
import { connect, type SecureClientSessionOptions } from 'node:http2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthInfo, RequireProof, type McpAuthInfo } from 'nestjs-mcp-auth';
import { TestCertificate, TestDpopKey } from 'nestjs-mcp-auth/testing';
import { Controller, Get } from '@nestjs/common';
import { PLATFORMS } from '../support/platforms.js';
import {
  askingForCertificates,
  expectInvalid,
  expectRan,
  startMutualTlsServer,
  type MutualTlsServer,
} from '../support/mutual-tls-server.js';
import { tlsClient } from '../support/tls-client.js';

@Controller('proof')
class ProofController {
  @Get()
  get(@AuthInfo('proof') proof: McpAuthInfo['proof']): object {
    return { proof: proof ?? null };
  }

  @Get('required')
  @RequireProof()
  required(): object {
    return {};
  }
}

const CONTROLLERS = { controllers: [ProofController] };

describe.each(PLATFORMS)('9. Mutual TLS, on %s', (platform) => {
  let mtls: MutualTlsServer;

  const start = async (options: Parameters<typeof startMutualTlsServer>[1]): Promise<MutualTlsServer> =>
    startMutualTlsServer(platform, options, CONTROLLERS);

  describe('accepted', () => {
    beforeAll(async () => {
      mtls = await start({ mutualTls: 'accepted' });
    });
    afterAll(() => mtls.close());
    beforeEach(() => void [mtls.server.ran, mtls.server.log].map((list) => list.splice(0)));

    it('RFC8705-3-a: accepts a token over a connection with its certificate', async () => {
      expectRan(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound()));
    });

    it('RFC8705-3-a: refuses it over a connection with another certificate, and with none', async () => {
      const token = await mtls.mintBound();
      expectRan(mtls, await mtls.call(mtls.clients.right, token));
      expectInvalid(mtls, await mtls.call(mtls.clients.other, token), 'certificate_of_another');
      expectInvalid(mtls, await mtls.call(mtls.clients.none, token), 'certificate_missing');
      expect(mtls.server.log.join('\n')).toContain('TLS without a client certificate');
      expectRan(mtls, await mtls.call(mtls.clients.right, token));
    });

    it('RFC8705-3-a: hashes the bytes of DER, not PEM', async () => {
      const { certificate } = mtls;
      const { raw } = new X509Certificate(certificate.cert);
      expect(certificate.confirmation).toEqual({ 'x5t#S256': hash('sha256', raw, 'base64url') });
      const cnf = { 'x5t#S256': hash('sha256', certificate.cert, 'base64url') };
      expectInvalid(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound({ cnf })), 'certificate_of_another');
    });

    it.each<[string, (thumbprint: string) => unknown]>([
      ['padded', (thumbprint) => `${thumbprint}=`],
      ['in base64', (thumbprint) => Buffer.from(thumbprint, 'base64url').toString('base64')],
      ['in hexadecimal', (thumbprint) => Buffer.from(thumbprint, 'base64url').toString('hex')],
      ['shortened', (thumbprint) => thumbprint.slice(0, 42)],
      ['in a list', (thumbprint) => [thumbprint]],
      ['null', () => null],
      ['empty', () => ''],
    ])('RFC8705-3-a: refuses a thumbprint that is %s', async (_what, change) => {
      const cnf = { 'x5t#S256': change(mtls.certificate.thumbprint) };
      expectInvalid(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound({ cnf })), 'sender_constrained');
    });

    it('RFC8705-3-a: judges each request of one connection by its own token', async () => {
      const { right, other } = mtls.clients;
      const [token, unbound] = [await mtls.mintBound(), await mtls.server.mint()];
      const first = await mtls.call(right, token);
      const second = await mtls.call(right, token);
      expect(second.socket).toBe(first.socket);
      expect([first.status, second.status, (await mtls.call(right, unbound)).status]).toEqual([200, 200, 200]);
      const refused = await mtls.call(other, token);
      expect(refused.status).toBe(401);
      const afterwards = await mtls.call(other, unbound);
      expect([afterwards.status, afterwards.socket === refused.socket]).toEqual([200, true]);
    });

    it.each(['TLSv1.2', 'TLSv1.3'] as const)(
      'RFC8705-3-a: knows the certificate of a resumed session of %s',
      async (version) => {
        const client = tlsClient(mtls.certificate, { maxVersion: version, minVersion: version });
        const [token, ofOther] = [
          await mtls.mintBound(),
          await mtls.server.mint({ cnf: TestCertificate.generate().confirmation }),
        ];
        const full = await mtls.call(client, token);
        expect([full.status, full.socket.isSessionReused()]).toEqual([200, false]);
        client.disconnect();
        const resumed = await mtls.call(client, token);
        expect([resumed.status, resumed.socket.isSessionReused()]).toEqual([200, true]);
        expect((await mtls.call(client, ofOther)).status).toBe(401);
        client.disconnect();
      },
    );

    it('RFC8705-3-b: ignores a certificate in a header field', async () => {
      const { cert, der } = mtls.certificate;
      const token = await mtls.mintBound();
      const fields = {
        'client-cert': `:${der.toString('base64')}:`,
        'x-client-cert': encodeURIComponent(cert),
        'ssl-client-cert': encodeURIComponent(cert),
        'x-forwarded-tls-client-cert': der.toString('base64'),
        'x-forwarded-client-cert': `Cert="${encodeURIComponent(cert)}"`,
      };
      const headers = { authorization: `Bearer ${token}`, ...fields };
      expectInvalid(mtls, await mtls.call(mtls.clients.none, headers), 'certificate_missing');
      expectInvalid(mtls, await mtls.call(mtls.clients.other, headers), 'certificate_of_another');
    });

    it('RFC7800-3.1-a: ignores unknown members beside the certificate, and refuses them alone', async () => {
      const cnf = { ...mtls.certificate.confirmation, kid: 'x' };
      expectRan(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound({ cnf })));
      const unknown = await mtls.mintBound({ cnf: { kid: 'x' } });
      expectInvalid(mtls, await mtls.call(mtls.clients.right, unknown), 'sender_constrained');
    });

    it('RFC7800-3.1-a: refuses a key beside the certificate, of which no proof is accepted here', async () => {
      const key = await TestDpopKey.generate();
      const cnf = { ...mtls.certificate.confirmation, ...key.confirmation };
      expectInvalid(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound({ cnf })), 'sender_constrained');
    });

    it('RFC8705-3-a: tells the application of the certificate', async () => {
      const url = `${mtls.server.origin}/proof`;
      const proofOf = async (token: string): Promise<unknown> => {
        const { text } = await mtls.clients.right.send(url, { authorization: `Bearer ${token}` });
        return (JSON.parse(text) as { proof: unknown }).proof;
      };
      const { thumbprint } = mtls.certificate;
      expect(await proofOf(await mtls.mintBound())).toEqual({ method: 'mtls', certificateThumbprint: thumbprint });
      expect(await proofOf(await mtls.server.mint())).toBeNull();
    });

    it('RFC9728-2-h: asks for a Bearer token with a certificate where a proof is required', async () => {
      const url = `${mtls.server.origin}/proof/required`;
      const unbound = await mtls.clients.right.send(url, { authorization: `Bearer ${await mtls.server.mint()}` });
      expectInvalid(mtls, unbound, 'proof_required');
      const bound = await mtls.clients.right.send(url, { authorization: `Bearer ${await mtls.mintBound()}` });
      expect(bound.status).toBe(200);
    });

    it('RFC9728-2-f: publishes that it accepts such tokens', async () => {
      const url = `${mtls.server.origin}/.well-known/oauth-protected-resource/mcp`;
      const { text } = await mtls.clients.none.send(url, {});
      expect(JSON.parse(text)).toMatchObject({ tls_client_certificate_bound_access_tokens: true });
    });
  });

  describe('required', () => {
    beforeAll(async () => {
      mtls = await start({ mutualTls: 'required' });
    });
    afterAll(() => mtls.close());
    beforeEach(() => void mtls.server.ran.splice(0));

    it('RFC8705-3-a: refuses a token that is bound to no certificate', async () => {
      expectInvalid(mtls, await mtls.call(mtls.clients.right, await mtls.server.mint()), 'unbound_token');
      expectRan(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound()));
    });
  });

  describe('with DPoP', () => {
    let key: TestDpopKey;
    beforeAll(async () => {
      mtls = await start({ mutualTls: 'accepted', dpop: 'accepted' });
      key = await TestDpopKey.generate();
    });
    afterAll(() => mtls.close());
    beforeEach(() => void mtls.server.ran.splice(0));

    const headersOf = (token: string, by: TestDpopKey, url = mtls.server.resource): Record<string, string> => {
      const claims = { iat: Math.floor(mtls.server.clock.now / 1000) };
      const method = url === mtls.server.resource ? 'POST' : 'GET';
      return { authorization: `DPoP ${token}`, dpop: by.proof({ method, url, token, claims }) };
    };

    it('RFC7800-3.1-a: needs both of a token that is bound to both', async () => {
      const cnf = { ...mtls.certificate.confirmation, ...key.confirmation };
      const token = await mtls.mintBound({ cnf });
      const { right, other, none } = mtls.clients;
      expectRan(mtls, await mtls.call(right, headersOf(token, key)));
      const refused = [
        await mtls.call(other, headersOf(token, key)),
        await mtls.call(none, headersOf(token, key)),
        await mtls.call(right, headersOf(token, await TestDpopKey.generate())),
        await mtls.call(right, token),
        await mtls.call(right, { authorization: `DPoP ${token}` }),
      ];
      expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
      expect(mtls.server.ran).toEqual([]);
    });

    it('RFC7800-3.1-a: does not count the proof of a request with another certificate', async () => {
      const token = await mtls.mintBound({ cnf: { ...mtls.certificate.confirmation, ...key.confirmation } });
      const headers = headersOf(token, key);
      expect((await mtls.call(mtls.clients.other, headers)).status).toBe(401);
      expectRan(mtls, await mtls.call(mtls.clients.right, headers));
    });

    it('RFC7800-3.1-a: needs the certificate alone, or the key alone, of a token that is bound to one', async () => {
      const byKey = await mtls.server.mint({ cnf: key.confirmation });
      expectRan(mtls, await mtls.call(mtls.clients.none, headersOf(byKey, key)));
      expectRan(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound()));
      const wrongScheme = headersOf(await mtls.mintBound(), key);
      expect((await mtls.call(mtls.clients.right, wrongScheme)).status).toBe(401);
    });

    it('RFC7800-3.1-a: tells the application of both', async () => {
      const token = await mtls.mintBound({ cnf: { ...mtls.certificate.confirmation, ...key.confirmation } });
      const url = `${mtls.server.origin}/proof`;
      const { text } = await mtls.clients.right.send(url, headersOf(token, key, url));
      expect(JSON.parse(text)).toEqual({
        proof: {
          method: 'dpop',
          keyThumbprint: key.thumbprint,
          certificateThumbprint: mtls.certificate.thumbprint,
        },
      });
    });
  });

  describe('off', () => {
    beforeAll(async () => {
      mtls = await startMutualTlsServer(platform, {});
    });
    afterAll(() => mtls.close());

    it('RFC8705-3-a: refuses a token that is bound to a certificate, with that certificate, too', async () => {
      expectInvalid(mtls, await mtls.call(mtls.clients.right, await mtls.mintBound()), 'sender_constrained');
    });

    it('RFC9728-2-f: publishes nothing', async () => {
      const url = `${mtls.server.origin}/.well-known/oauth-protected-resource/mcp`;
      const { text } = await mtls.clients.none.send(url, {});
      expect(JSON.parse(text)).not.toHaveProperty('tls_client_certificate_bound_access_tokens');
    });
  });
});

describe('9. Mutual TLS over HTTP/2', () => {
  it('RFC8705-3-a: knows the certificate of the connection', async () => {
    const https = askingForCertificates();
    const adapter = new FastifyAdapter({ http2: true, https });
    const mtls = await startMutualTlsServer('fastify', { mutualTls: 'accepted' }, { ...CONTROLLERS, adapter });
    const statusWith = (options: SecureClientSessionOptions, token: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const session = connect(mtls.server.origin, { rejectUnauthorized: false, ...options });
        session.on('error', reject);
        const stream = session.request({ ':path': '/proof', authorization: `Bearer ${token}` });
        stream.on('error', reject);
        stream.on('response', ({ ':status': status = 0 }) => {
          session.destroy();
          resolve(status);
        });
      });
    try {
      const token = await mtls.mintBound();
      const { key, cert } = mtls.certificate;
      const other = TestCertificate.generate();
      expect([
        await statusWith({ key, cert }, token),
        await statusWith({ key: other.key, cert: other.cert }, token),
        await statusWith({}, token),
        await statusWith({}, await mtls.server.mint()),
      ]).toEqual([200, 401, 401, 200]);
    } finally {
      await mtls.close();
    }
  });
});
