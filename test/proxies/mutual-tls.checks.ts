import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CertificateHeaderOptions } from 'nestjs-mcp-auth';
import { TestCertificate, TestDpopKey } from 'nestjs-mcp-auth/testing';
import { callOf } from '../support/challenge-cases.js';
import { freePort } from '../support/free-port.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { tlsClient, type TlsAnswer, type TlsClient } from '../support/tls-client.js';

/**
 * Mutual TLS behind real proxies, which must be installed, with the configuration of docs/guides/mutual-tls.md. It is no part of
 * `npm test`: `npm run test:proxies`.
 */

const page = await readFile(new URL('../../docs/guides/mutual-tls.md', import.meta.url), 'utf8');

/** The block of the page in this language, for this server, and for its own addresses and files. */
function documented(language: string, replacements: Readonly<Record<string, string>>): string {
  const block = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/guides/mutual-tls.md has no block for ${language}`);
  return Object.entries(replacements).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`The block for ${language} does not have ${from}`);
    return text.replaceAll(from, to);
  }, block);
}

/** What a configuration is made of. */
interface Place {
  /** Holds `server.crt`, `server.key`, `server.pem` (both) and `clients.pem`. */
  readonly folder: string;
  readonly port: number;
  /** Host and port of the application. */
  readonly upstream: string;
}

interface Proxy {
  readonly name: string;
  readonly command: (file: string) => readonly [string, ...string[]];
  readonly configuration: (place: Place) => string;
  /** The header field of the page. */
  readonly header: string;
}

const nginx: Proxy = {
  name: 'nginx',
  command: (file) => ['nginx', '-c', file, '-e', 'stderr'],
  header: 'ssl-client-cert',
  configuration: ({ folder, port, upstream }) => `
    daemon off; error_log stderr; pid ${folder}/nginx.pid;
    events {}
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${port} ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate ${folder}/server.crt; ssl_certificate_key ${folder}/server.key;
        ${documented('nginx', { '127.0.0.1:3000': upstream })}
      }
    }`,
};

const haproxy: Proxy = {
  name: 'HAProxy',
  command: (file) => ['haproxy', '-db', '-f', file],
  header: 'client-cert',
  configuration: ({ folder, port, upstream }) => `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend mcp
${documented('haproxy', { '/etc/haproxy': folder, 'bind :443': `bind 127.0.0.1:${port}` })}
  default_backend app
backend app
  server app ${upstream}
`,
};

const MODULES = ['mpm_event', 'authz_core', 'ssl', 'headers', 'proxy', 'proxy_http'];

const apache: Proxy = {
  name: 'Apache',
  command: (file) => ['apache2', '-X', '-f', file],
  header: 'ssl-client-cert',
  configuration: ({ folder, port, upstream }) => `
ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
User nobody
Group nogroup
Listen 127.0.0.1:${port}
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
<VirtualHost 127.0.0.1:${port}>
SSLEngine on
SSLCertificateFile ${folder}/server.crt
SSLCertificateKeyFile ${folder}/server.key
${documented('apache', { '127.0.0.1:3000': upstream })}
</VirtualHost>
`,
};

const caddy: Proxy = {
  name: 'Caddy',
  command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
  header: 'client-cert',
  configuration: ({ folder, port, upstream }) => `
{
  admin off
  auto_https disable_redirects
  storage file_system ${folder}
}
https://localhost:${port} {
  bind 127.0.0.1
${documented('caddy', { '/etc/caddy': folder, '127.0.0.1:3000': upstream })}
}
`,
};

const certificate = TestCertificate.generate({ commonName: 'the client' });
const other = TestCertificate.generate({ commonName: 'another client' });

/** The fields with which a client without a certificate may try to pretend that it has one. */
const PRETENDED = {
  'client-cert': `:${certificate.der.toString('base64')}:`,
  'Client-Cert': `:${certificate.der.toString('base64')}:`,
  'ssl-client-cert': encodeURIComponent(certificate.cert),
  'SSL-Client-Cert': encodeURIComponent(certificate.cert),
};

describe.each([nginx, haproxy, apache, caddy])('mutual TLS behind $name', ({ command, configuration, header }) => {
  let server: NotesServer;
  let proxy: ChildProcess;
  let folder: string;
  let origin: string;
  let output = '';
  const clients: TlsClient[] = [];
  const clientWith = (one?: TestCertificate, options: object = {}): TlsClient => {
    const client = tlsClient(one, options);
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proxy-'));
    const port = await freePort();
    origin = `https://localhost:${port}`;
    const trusted: CertificateHeaderOptions = { header, trustedProxies: ['127.0.0.1'] };
    server = await startNotesServer('express', {
      issuer: { alg: 'ES256' },
      options: { resource: `${origin}/mcp`, mutualTls: { certificate: trusted }, dpop: 'accepted' },
    });
    const { key, cert } = TestCertificate.generate({ commonName: 'localhost' });
    const authority = TestCertificate.generate({ commonName: 'an authority' });
    const files = {
      'server.crt': cert,
      'server.key': key,
      'server.pem': cert + key,
      'clients.pem': authority.cert,
      configuration: configuration({ folder, port, upstream: new URL(server.origin).host }),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const [program, ...args] = command(join(folder, 'configuration'));
    proxy = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder } });
    for (const stream of [proxy.stdout, proxy.stderr])
      stream?.on('data', (text: Buffer) => (output += text.toString()));
    await listening(port, () => proxy.exitCode !== null);
  }, 30_000);

  afterAll(async () => {
    for (const client of clients) client.disconnect();
    if (proxy.exitCode === null) {
      const ended = new Promise((resolve) => proxy.once('exit', resolve));
      proxy.kill();
      await ended;
    }
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** Waits until the proxy accepts connections: it says nothing when it does. */
  async function listening(port: number, hasEnded: () => boolean): Promise<void> {
    for (let tries = 0; tries < 200 && !hasEnded(); tries++) {
      const isOpen = await new Promise((resolve) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => resolve(true));
        socket.on('error', () => resolve(false));
        socket.once('close', () => resolve(false));
        socket.once('secureConnect', () => socket.destroy());
      });
      if (isOpen) return;
      await wait(50);
    }
    throw new Error(`The proxy does not listen:\n${output}`);
  }

  const mint = (claims: object = { cnf: certificate.confirmation }): Promise<string> =>
    server.mint({ aud: `${origin}/mcp`, ...claims });

  const call = (client: TlsClient, headers: Record<string, string>): Promise<TlsAnswer> =>
    client.send(
      `${origin}/mcp`,
      { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      JSON.stringify(callOf('ping')),
    );

  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

  it('RFC8705-3-a: accepts a token over a connection with its certificate, and over no other', async () => {
    const token = await mint();
    const [right, wrong, none] = [clientWith(certificate), clientWith(other), clientWith()];
    const answers: TlsAnswer[] = [];
    for (const client of [right, wrong, none, right]) answers.push(await call(client, bearer(token)));
    expect(answers.map(({ status, headers }) => [status, headers['www-authenticate']?.slice(0, 28)])).toEqual([
      [200, undefined],
      [401, 'Bearer error="invalid_token"'],
      [401, 'Bearer error="invalid_token"'],
      [200, undefined],
    ]);
    expect((await call(none, bearer(await mint({})))).status).toBe(200);
    expect(server.ran.splice(0)).toEqual(['ping', 'ping', 'ping']);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'RFC8705-3-a: knows the certificate of a resumed session of %s',
    async (version) => {
      const client = clientWith(certificate, { minVersion: version, maxVersion: version });
      const token = await mint();
      const full = await call(client, bearer(token));
      client.disconnect();
      const resumed = await call(client, bearer(token));
      expect([full.status, resumed.status]).toEqual([200, 200]);
      expect((await call(client, bearer(await mint({ cnf: other.confirmation })))).status).toBe(401);
    },
  );

  it.each(Object.entries(PRETENDED))('RFC8705-3-b: does not let clients write %s themselves', async (name, value) => {
    const headers = { ...bearer(await mint()), [name]: value };
    expect((await call(clientWith(), headers)).status).toBe(401);
    expect((await call(clientWith(other), headers)).status).toBe(401);
    const right = await call(clientWith(certificate), { ...headers, [name]: value.replace('A', 'B') });
    expect(right.status).toBe(200);
  });

  it('RFC7800-3.1-a: needs the key and the certificate of a token that is bound to both', async () => {
    const key = await TestDpopKey.generate();
    const token = await mint({ cnf: { ...certificate.confirmation, ...key.confirmation } });
    const claims = { iat: Math.floor(server.clock.now / 1000) };
    const statusWith = async (client: TlsClient): Promise<number> => {
      const dpop = key.proof({ method: 'POST', url: `${origin}/mcp`, token, claims });
      return (await call(client, { authorization: `DPoP ${token}`, dpop })).status;
    };
    expect([await statusWith(clientWith(certificate)), await statusWith(clientWith(other))]).toEqual([200, 401]);
  });
});
