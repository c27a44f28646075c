import { describe, expect, it } from '@jest/globals';
import { startDevAuthorizationServer } from 'nestjs-mcp-auth/dev-server';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { examine, type DoctorRow } from '../support/doctor.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

type Metadata = Readonly<Record<string, unknown>>;

async function rowsOf(metadata: Metadata, path = ''): Promise<Record<string, DoctorRow>> {
  await using issuer = await TestIssuer.start({ alg: 'ES256', path, metadata });
  const { rows } = await examine(issuer.issuer, ['--issuer']);
  return Object.fromEntries(rows.map((row) => [row.id, row]));
}

describe('doctor: what metadata says about tokens for other APIs', () => {
  it.each<[string, Metadata, DoctorRow['level'], RegExp]>([
    ['token exchange', { grant_types_supported: ['authorization_code', EXCHANGE] }, 'ok', /^it lists token exchange;/],
    ['jwt-bearer', { grant_types_supported: [JWT_BEARER] }, 'ok', /^it lists jwt-bearer; .*metadata cannot say$/],
    ['both', { grant_types_supported: [JWT_BEARER, EXCHANGE] }, 'ok', /^it lists token exchange and jwt-bearer;/],
    ['neither', { grant_types_supported: ['authorization_code'] }, 'ok', /^it lists neither/],
    ['nothing', { grant_types_supported: undefined }, 'unseen', /^it does not say which grants it has/],
    ['no list', { grant_types_supported: EXCHANGE }, 'unseen', /^it does not say which grants it has/],
  ])('AS-29: with %s', async (_what, metadata, level, seen) => {
    expect((await rowsOf(metadata))['AS-29']).toEqual({ id: 'AS-29', level, seen: expect.stringMatching(seen) });
  });

  it('AS-29: says what is known of a product that lists more than a client may use', async () => {
    const rows = await rowsOf({ grant_types_supported: [EXCHANGE] }, '/realms/main');
    expect(rows['AS-29']?.seen).toMatch(/Keycloak: its metadata always lists token exchange; turn on/);
  });

  it.each<[string, unknown, DoctorRow['level'], RegExp]>([
    ['a secret', ['none', 'client_secret_post'], 'ok', /by client_secret_post$/],
    ['several methods', ['private_key_jwt', 'client_secret_basic'], 'ok', /by client_secret_basic, private_key_jwt$/],
    [
      'certificates',
      ['none', 'tls_client_auth', 'self_signed_tls_client_auth'],
      'ok',
      /by tls_client_auth, self_signed_tls/,
    ],
    ['no word', undefined, 'ok', /by client_secret_basic, the default/],
    ['public clients only', ['none'], 'warning', /\["none"\].*needs? an authenticated client/],
  ])('AS-30: with %s', async (_what, methods, level, seen) => {
    const metadata = { grant_types_supported: [EXCHANGE], token_endpoint_auth_methods_supported: methods };
    expect((await rowsOf(metadata))['AS-30']).toMatchObject({ level, seen: expect.stringMatching(seen) });
  });

  it('AS-30: finds nothing wrong with public clients only where no client needs to authenticate', async () => {
    const rows = await rowsOf({ token_endpoint_auth_methods_supported: ['none'] });
    expect(rows['AS-30']?.level).toBe('unseen');
  });

  it('AS-27: does not claim that a server lacks client credentials if it does not say', async () => {
    expect((await rowsOf({ grant_types_supported: undefined }))['AS-27']?.level).toBe('unseen');
    const listed = await rowsOf({ grant_types_supported: ['client_credentials'] });
    expect(listed['AS-27']).toMatchObject({ level: 'ok', seen: 'it offers the client credentials grant' });
  });

  it('AS-25: looks at endpoints for certificates without an MCP server, too', async () => {
    await using issuer = await TestIssuer.start({
      alg: 'ES256',
      metadata: { mtls_endpoint_aliases: { token_endpoint: 'http://as.example.com/token' } },
    });
    const { of } = await examine(issuer.issuer, ['--issuer']);
    expect(of('warning')).toContainEqual(
      expect.stringMatching(/^AS-25: in mtls_endpoint_aliases, \["token_endpoint"\]/),
    );
  });

  it('AS-25: takes http URLs of this machine from a server on this machine', async () => {
    const aliases = { token_endpoint: 'http://127.0.0.1:4000/token' };
    await using issuer = await TestIssuer.start({ alg: 'ES256', metadata: { mtls_endpoint_aliases: aliases } });
    const { rows } = await examine(issuer.issuer, ['--issuer']);
    expect(rows.filter(({ id }) => id === 'AS-25').map(({ level }) => level)).not.toContain('warning');
  });

  it('AS-29: is content with the development authorization server, which exchanges tokens if configured so', async () => {
    const resource = 'http://127.0.0.1:3000/mcp';
    const server = await startDevAuthorizationServer({
      resources: [{ resource, scopes: {} }],
      clients: [{ clientId: 'notes-server', clientSecret: 'a secret', resource }],
      apis: [{ resource: 'http://127.0.0.1:4000/calendar', scopes: {} }],
    });
    try {
      const { of, code } = await examine(server.issuer);
      expect(code).toBe(0);
      expect(of('ok')).toContainEqual(expect.stringMatching(/^AS-29: it lists token exchange;/));
      expect(of('ok')).toContainEqual(expect.stringMatching(/^AS-30: .*client_secret_basic/));
    } finally {
      await server.close();
    }
  });
});
