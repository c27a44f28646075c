import { afterEach, describe, expect, it } from '@jest/globals';
import type { MutualTlsOptions } from 'nestjs-mcp-auth';
import { TestCertificate } from 'nestjs-mcp-auth/testing';
import { examine } from '../support/doctor.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

const METADATA = { tls_client_certificate_bound_access_tokens: true };
const CERTIFICATE = { header: 'client-cert', trustedProxies: ['10.0.0.1'] };

describe('doctor on a token that is bound to a certificate', () => {
  const started: NotesServer[] = [];
  afterEach(async () => {
    for (const server of started.splice(0)) await server.close();
  });

  /** What the doctor says of such a token at a server with this option: level, id and what was seen. */
  async function rowsAt(mutualTls: 'off' | MutualTlsOptions): Promise<string[]> {
    const issuer = { alg: 'ES256', metadata: METADATA } as const;
    const server = await startNotesServer('express', { issuer, options: { scopes: { required: ['a'] }, mutualTls } });
    started.push(server);
    server.clock.now = Date.now();
    const token = await server.mint({ scope: 'a', cnf: TestCertificate.generate().confirmation });
    const { rows } = await examine(server.resource, [], { environment: { MCP_AUTH_TOKEN: token } });
    return rows
      .filter(({ id }) => /^(?:RFC9449-7\.2-a|MCP-26-RS-02|AS-11|AS-25)/.test(id))
      .map(({ id, level, seen }) => `${level} ${id}: ${seen}`);
  }

  it('RFC8705-3-a: says where it cannot be accepted', async () => {
    expect((await rowsAt('off')).filter((row) => row.startsWith('error'))).toEqual([
      expect.stringMatching(
        /^error RFC9449-7\.2-a: it is bound to a certificate .* does not say that it accepts such tokens/,
      ),
    ]);
  });

  it('RFC8705-3-a: finds nothing wrong where it can be, and does not claim to have seen that', async () => {
    const rows = await rowsAt({ certificate: CERTIFICATE });
    expect(rows.filter((row) => row.startsWith('error'))).toEqual([]);
    expect(rows).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^unseen RFC9449-7\.2-a: .*the doctor has none to show/),
        expect.stringMatching(/^unseen MCP-26-RS-02: the server answers 401/),
        expect.stringMatching(/^ok AS-25: it binds tokens to certificates/),
      ]),
    );
  });
});
