import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { DpopOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { checkDpop } from '../../lib/cli/doctor/dpop.checks.js';
import { dpopOfferOf } from '../../lib/cli/doctor/dpop-offer.js';
import { readChallenge } from '../../lib/cli/doctor/read-challenge.js';
import type { McpServerFacts } from '../../lib/cli/doctor/mcp-server.facts.js';
import { examine, runCli, type Examination } from '../support/doctor.js';
import { expectNoTrace } from '../support/expectations.js';
import { LoopbackServer } from '../support/loopback-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';

const NONCE = { secret: 'a secret that nobody can guess, of this test' };
const AS_METADATA = { dpop_signing_alg_values_supported: ['ES256'] };

let key: JWK;
let jkt: string;
beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  key = await exportJWK(pair.privateKey);
  jkt = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
});

const started: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one.close();
});

async function start(dpop: DpopOptions | 'off', metadata: object = AS_METADATA): Promise<NotesServer> {
  const server = await startNotesServer('express', {
    issuer: { alg: 'ES256', metadata: { ...metadata } },
    options: { dpop, scopes: { required: ['a'] } },
  });
  server.clock.now = Date.now();
  started.push(server);
  return server;
}

interface Sample {
  readonly token: string;
  /** In a file, unless it is in the environment. */
  readonly key?: JWK;
  readonly isInEnvironment?: boolean;
}

/** Examines a server with a token and its key, of which nothing may be printed. */
async function examineWith(url: string, sample: Sample): Promise<Examination> {
  const text = JSON.stringify(sample.key);
  const isInFile = sample.key !== undefined && !sample.isInEnvironment;
  const surroundings = {
    environment: { MCP_AUTH_TOKEN: sample.token, ...(sample.isInEnvironment && { MCP_AUTH_DPOP_KEY: text }) },
    files: { 'key.json': text },
  };
  const args = isInFile ? ['--dpop-key-file', 'key.json'] : [];
  const examined = await examine(url, args, surroundings);
  const plain = await runCli(['doctor', url, '--verbose', ...args], surroundings);
  const all = { json: examined.out, text: plain.out, errors: examined.err + plain.err };
  expectNoTrace(sample.token, all);
  if (sample.key) for (const said of Object.values(all)) expect(said).not.toContain(sample.key.d);
  return examined;
}

const ROWS = /^(?:RFC9449(?!-7\.1-d)|RFC9728-2-e|MCP-26-RS-02|AS-09)/;
const aboutDpop = ({ rows }: Examination): string[] =>
  rows.filter(({ id }) => ROWS.test(id)).map(({ id, level, seen }) => `${level} ${id}: ${seen}`);

describe('doctor on a server that accepts DPoP', () => {
  it.each<[string, DpopOptions]>([
    ['accepted', {}],
    ['required', { mode: 'required' }],
    ['required, with nonces', { mode: 'required', nonce: NONCE }],
  ])('RFC9728-2-e: finds nothing wrong: %s', async (_what, dpop) => {
    const server = await start({ algorithms: ['ES256'], ...dpop });
    const examined = await examine(server.resource);
    expect(examined.of('error')).toEqual([]);
    expect(examined.of('warning').filter((row) => ROWS.test(row))).toEqual([]);
    expect(aboutDpop(examined)).toEqual([
      `ok RFC9728-2-e: it accepts tokens that are bound to a key (DPoP)${dpop.mode ? ' only' : ', and others'}; metadata and challenge agree`,
      'ok RFC9449-7.1-b: the DPoP challenge has algs ["ES256"]',
      'ok RFC9449-7.1-a: with an invented token and a good proof: 401, invalid_token',
      'ok AS-09: dpop_signing_alg_values_supported is ["ES256"]',
    ]);
  });

  it.each<[string, DpopOptions, boolean]>([
    ['with the key in a file', {}, false],
    ['with the key in the environment, and nonces', { mode: 'required', nonce: NONCE }, true],
  ])('RFC9449-7.1-a: sends a token with good and bad proofs, %s', async (_what, dpop, isInEnvironment) => {
    const server = await start(dpop);
    const token = await server.mint({ scope: 'a', cnf: { jkt } });
    const examined = await examineWith(server.resource, { token, key, isInEnvironment });
    expect(examined.of('error')).toEqual([]);
    expect(aboutDpop(examined).slice(-7)).toEqual([
      'ok RFC9449-7.2-a: it is bound to a key by DPoP (cnf.jkt)',
      'ok MCP-26-RS-02: the server answers 200, as expected',
      `ok RFC9449-9-a: it asks for ${dpop.nonce ? 'a nonce, and gives one' : 'no nonce, which is optional'}`,
      'ok RFC9449-4.3-9: a proof for another URL: 401',
      'ok RFC9449-11.1-a: it refuses a proof that was used before',
      'ok RFC9449-7.2-a: the token as a Bearer token: 401',
      'ok RFC9449-4.3-12b: a proof by another key: 401',
    ]);
  });

  it('RFC9449-7.2-a: judges a token that Keycloak marks with typ DPoP', async () => {
    const server = await start({});
    const token = await server.mint({ scope: 'a', typ: 'DPoP', cnf: { jkt } }, { header: { typ: 'JWT' } });
    const examined = await examineWith(server.resource, { token, key });
    expect(examined.of('error')).toEqual([]);
    const unnamed = await server.mint({ scope: 'a', typ: 'DPoP' }, { header: { typ: 'JWT' } });
    expect((await examineWith(server.resource, { token: unnamed })).of('error')).toEqual([
      'RFC9449-7.2-a: it says that it is bound to a key, and cnf does not say to which',
    ]);
  });

  it('RFC9449-7.2-a: needs no key to see that the token alone is refused', async () => {
    const server = await start({});
    const token = await server.mint({ scope: 'a', cnf: { jkt } });
    const examined = await examineWith(server.resource, { token });
    expect(examined.of('error')).toEqual([]);
    expect(examined.of('ok')).toEqual(
      expect.arrayContaining([
        'RFC9449-7.2-a: the token as a Bearer token: 401',
        'RFC9449-4.3-12b: a proof by another key: 401',
      ]),
    );
    expect(examined.of('unseen')).toContainEqual(expect.stringMatching(/^MCP-26-RS-02: .*needs the key of the token/));
  });

  it.each<[string, DpopOptions | 'off', () => object, RegExp]>([
    ['a server that accepts none', 'off', () => ({ cnf: { jkt } }), /^RFC9449-7\.2-a: .*does not say that it accepts/],
    ['no key where one is required', { mode: 'required' }, () => ({}), /^RFC9449-7\.2-a: it is bound to no key/],
    ['a certificate', {}, () => ({ cnf: { 'x5t#S256': 'x' } }), /^RFC9449-7\.2-a: it is bound to a certificate/],
    [
      'a certificate where none is accepted',
      {},
      () => ({ cnf: { 'x5t#S256': 'a'.repeat(43) } }),
      /^RFC9449-7\.2-a: it is bound to a certificate .*does not say that it accepts/,
    ],
    ['another key', {}, () => ({ cnf: { jkt: 'a'.repeat(43) } }), /^RFC9449-4\.3-12b: the key is not the one/],
  ])('RFC9449-7.2-a: names the fault of a token with %s', async (_what, dpop, claims, row) => {
    const server = await start(dpop);
    const token = await server.mint({ scope: 'a', ...claims() });
    expect((await examineWith(server.resource, { token, key })).of('error')).toEqual([expect.stringMatching(row)]);
  });

  it('RFC9449-4.3-9: sees that a server checks no proofs', async () => {
    const issuer = await TestIssuer.start({ alg: 'ES256', metadata: AS_METADATA });
    started.push(issuer);
    const server = await LoopbackServer.start((request, response) => {
      request.resume();
      const isMetadata = request.url?.startsWith('/.well-known/');
      const document = { resource: `${origin}/mcp`, authorization_servers: [issuer.issuer], ...AS_METADATA };
      const status = isMetadata || request.headers.authorization?.includes('.') ? 200 : 401;
      const challenge = `Bearer, DPoP algs="ES256", resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
      if (status === 401) response.setHeader('www-authenticate', challenge);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    });
    started.push(server);
    const { origin } = server;
    const token = await issuer.mint({ aud: `${origin}/mcp`, cnf: { jkt } });
    const examined = await examineWith(`${origin}/mcp`, { token, key });
    expect(examined.of('error').filter((row) => ROWS.test(row))).toEqual([
      'RFC9449-4.3-9: a proof for another URL: status 200, content type "application/json"',
      'RFC9449-7.2-a: the token as a Bearer token: status 200, content type "application/json"',
      'RFC9449-4.3-12b: a proof by another key: status 200, content type "application/json"',
    ]);
    expect(examined.of('note')).toContainEqual('RFC9449-11.1-a: it accepts the same proof twice');
  });

  it('AS-09: compares the authorization server with the MCP server', async () => {
    const faults = async (dpop: DpopOptions | 'off', metadata: object): Promise<string[]> => {
      const { rows } = await examine((await start(dpop, metadata)).resource);
      return rows
        .filter(({ id, level }) => id === 'AS-09' && level !== 'ok')
        .map(({ level, seen }) => `${level} ${seen}`);
    };
    const lacks = expect.stringMatching(/^error it does not say that it binds tokens to keys/);
    expect(await faults('off', {})).toEqual([]);
    expect(await faults({ mode: 'required' }, {})).toEqual([lacks]);
    expect(await faults({}, {})).toEqual([expect.stringMatching(/^warning it does not say/)]);
    expect(await faults({ algorithms: ['ES384'] }, AS_METADATA)).toEqual([
      'warning dpop_signing_alg_values_supported is ["ES256"], and the MCP server accepts ["ES384"]',
    ]);
  });

  it.each([
    ['note', ['Authorization', 'Content-Type', 'Mcp-Protocol-Version']],
    ['ok', ['Authorization', 'Content-Type', 'Mcp-Protocol-Version', 'DPoP']],
  ])('LIB-02: says %s where pages may send %j', async (level, allowedHeaders) => {
    const origin = 'http://localhost:6274';
    const server = await startNotesServer('express', {
      issuer: { alg: 'ES256', metadata: AS_METADATA },
      options: { dpop: 'required', allowedOrigins: [origin] },
      prepare: (app) => app.enableCors({ origin, allowedHeaders }),
    });
    started.push(server);
    const { rows } = await examine(server.resource);
    expect(rows.filter(({ id }) => id === 'LIB-02').map((row) => row.level)).toEqual([level]);
  });

  it('AS-25: reads the endpoints for clients with certificates', async () => {
    const rowsFor = async (mtls_endpoint_aliases: unknown): Promise<string[]> => {
      const { rows } = await examine((await start('off', { mtls_endpoint_aliases })).resource);
      return rows.filter(({ id }) => id === 'AS-25').map(({ level, seen }) => `${level} ${seen}`);
    };
    const [sound] = (await rowsFor({ token_endpoint: 'https://mtls.example/token' })).slice(-1);
    expect(sound).toBe('ok mtls_endpoint_aliases has URLs that clients may use');
    expect(await rowsFor({ token_endpoint: 'http://mtls.example/token' })).toContainEqual(
      'warning in mtls_endpoint_aliases, ["token_endpoint"] must be https URLs',
    );
    expect(await rowsFor('https://mtls.example')).toContainEqual(expect.stringMatching(/^warning/));
  });

  it.each([
    ['not JSON', 'x'],
    ['a public key', JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' })],
  ])('refuses a key file that holds %s, and shows nothing of it', async (_what, text) => {
    const files = { 'key.json': text };
    const run = await runCli(['doctor', 'http://127.0.0.1:1/mcp', '--dpop-key-file', 'key.json'], { files });
    expect([run.code, run.err.split('\n')[0]]).toEqual([
      2,
      'the key must be a private JWK, with the algorithm of its proofs as alg.',
    ]);
    const missing = await runCli(['doctor', 'http://127.0.0.1:1/mcp', '--dpop-key-file', 'no.json']);
    expect([missing.code, missing.err.split('\n')[0]]).toEqual([2, 'the key cannot be read (ENOENT).']);
  });
});

/** The findings about a challenge and metadata. */
function findings(challenge: string, document: object): string[] {
  const headers = new Headers({ 'www-authenticate': challenge });
  const answer = { kind: 'answer', url: '', status: 401, headers, contentType: '', text: '', flaw: undefined } as const;
  const dpop = dpopOfferOf(readChallenge({ ...answer, askedAt: 0, cameAt: 0 }), { ...document });
  const facts = { dpop, boundGarbage: undefined } as Partial<McpServerFacts> as McpServerFacts;
  return checkDpop(facts)
    .filter(({ level }) => level !== 'unseen')
    .map(({ id, level }) => `${level} ${id}`);
}

describe('RFC9728-2-e: what the doctor says of challenge and metadata', () => {
  const algs = { dpop_signing_alg_values_supported: ['ES256'] };
  const required = { ...algs, dpop_bound_access_tokens_required: true };
  it.each<[string, string, object, string[]]>([
    ['neither mentions DPoP', 'Bearer', {}, ['ok RFC9728-2-e']],
    ['both agree', 'Bearer, DPoP algs="ES256"', algs, ['ok RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['both require it', 'DPoP algs="ES256"', required, ['ok RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['Bearer beside required', 'Bearer, DPoP algs="ES256"', required, ['warning RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['DPoP alone', 'DPoP algs="ES256"', algs, ['warning RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['no metadata', 'Bearer, DPoP algs="ES256"', {}, ['note RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['no challenge', 'Bearer', algs, ['warning RFC9728-2-e']],
    ['other algorithms', 'Bearer, DPoP algs="RS256"', algs, ['warning RFC9728-2-e', 'ok RFC9449-7.1-b']],
    ['no algorithms', 'Bearer, DPoP', algs, ['ok RFC9728-2-e', 'note RFC9449-7.1-b']],
    [
      'a shared secret',
      'Bearer, DPoP algs="HS256"',
      { dpop_signing_alg_values_supported: ['HS256'] },
      ['error RFC9728-2-e', 'ok RFC9449-7.1-b'],
    ],
  ])('%s', (_what, challenge, document, expected) => {
    expect(findings(challenge, document)).toEqual(expected);
  });
});
