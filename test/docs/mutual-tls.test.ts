import 'reflect-metadata';
import { Agent, request } from 'node:https';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { McpAuthModule, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestCertificate, TestIssuer } from 'nestjs-mcp-auth/testing';
import { freePort } from '../support/free-port.js';
import { startNotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** The code of docs/guides/mutual-tls.md, and what the page says of it. */

@Controller('mcp')
class NotesController {
  @Get()
  get(): object {
    return {};
  }
}

const PROXY = {
  // #region proxy
  mutualTls: {
    mode: 'required',
    certificate: { header: 'client-cert', trustedProxies: ['10.0.0.5', '10.1.0.0/16'] },
  },
  // #endregion
} satisfies Partial<McpAuthModuleOptions>;

describe('docs/guides/mutual-tls.md', () => {
  const closing: (() => Promise<void>)[] = [];
  beforeAll(() => Logger.overrideLogger(false));
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it('serves a client with the certificate of its token, and makes both in tests', async () => {
    const port = await freePort();
    const resource = `https://127.0.0.1:${port}/mcp`;
    const issuer = await TestIssuer.start({ alg: 'ES256', audience: resource });
    closing.push(() => issuer.close());
    const options = {
      resource,
      authorizationServers: [issuer.issuer],
      checkAuthorizationServers: false,
      // #region options
      mutualTls: 'accepted',
      // #endregion
    } satisfies McpAuthModuleOptions;

    @Module({ imports: [McpAuthModule.forRoot(options)], controllers: [NotesController] })
    class AppModule {}

    const { key, cert } = TestCertificate.generate();
    // #region server
    const app = await NestFactory.create(AppModule, {
      httpsOptions: { key, cert, requestCert: true, rejectUnauthorized: false },
    });
    // #endregion
    closing.push(() => app.close());
    await app.listen(port, '127.0.0.1');

    // #region test
    const certificate = TestCertificate.generate();
    const token = await issuer.mint({ cnf: certificate.confirmation });
    const agent = new Agent({ key: certificate.key, cert: certificate.cert, ca: cert });
    // #endregion
    const statusWith = (by: Agent): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        const sent = request(resource, { agent: by, headers }, ({ statusCode }) => resolve(statusCode));
        sent.on('error', reject);
        sent.end();
        closing.push(async () => by.destroy());
      });
    expect([await statusWith(agent), await statusWith(new Agent({ ca: cert }))]).toEqual([200, 401]);
  });

  it.each(PLATFORMS)('believes only the proxies, on %s', async (platform) => {
    const server = await startNotesServer(platform, { options: PROXY });
    closing.push(() => server.close());
    const certificate = TestCertificate.generate();
    const headers = { 'client-cert': `:${certificate.der.toString('base64')}:` };
    const token = await server.mint({ cnf: certificate.confirmation });
    expect((await server.callTool('ping', token, {}, headers)).status).toBe(401);
    expect(server.log.join('\n')).toMatch(/peer that is not in trustedProxies.*127\.0\.0\.1/s);
  });
});
