import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectRefusal, expectServed, resetRecorded, type ExpectedRefusal } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectReason } from '../support/tokens.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';
import { ALGORITHM } from './algorithm.js';
import type { Attack } from './attack.js';
import { CLAIMS } from './claims.js';
import { CONTROLS, PRESENTATIONS } from './controls.js';
import { CREDENTIALS, type CredentialsAttack } from './credentials.js';
import { ECDSA } from './ecdsa.js';
import { EDDSA } from './eddsa.js';
import { ENCODING } from './encoding.js';
import { HEADER } from './header.js';
import { JSON_TEXT } from './json.js';
import { KEYS } from './keys.js';
import { KIND } from './kind.js';
import { closeLab, MARK, openLab, type Lab } from './lab.js';
import { RSA } from './rsa.js';
import { NEEDED, SCOPES } from './scope.js';
import { STRUCTURE } from './structure.js';
import { TIME } from './time.js';

const TOKENS = {
  structure: STRUCTURE,
  encoding: ENCODING,
  'JSON text': JSON_TEXT,
  header: HEADER,
  algorithm: ALGORITHM,
  keys: KEYS,
  'ECDSA signatures': ECDSA,
  'RSA signatures': RSA,
  'EdDSA signatures': EDDSA,
  claims: CLAIMS,
  times: TIME,
  'kinds of token': KIND,
} satisfies Record<string, readonly Attack[]>;

const BODY = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } });

describe('the corpus of attacks', () => {
  const names = [...Object.values(TOKENS).flat(), ...CREDENTIALS, ...SCOPES].map(({ name }) => name);

  it('holds more than a thousand', () => {
    expect(names.length).toBeGreaterThanOrEqual(1_000);
  });

  it('holds none twice', () => {
    expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([]);
  });

  it('holds things that are good as well', () => {
    expect(CONTROLS.length).toBeGreaterThanOrEqual(40);
  });
});

describe.each(PLATFORMS)('attacks on credentials, on %s', (platform) => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(platform);
  });
  afterAll(() => closeLab(lab));
  beforeEach(() => resetRecorded(lab.server));

  /**
   * Asserts on what no attack may achieve: that what it says is repeated, but for the operator and in quotes there; that it
   * writes lines of its own into the log; or that the server goes where it says.
   */
  function expectNoEffect(answer: string): void {
    const { server, stranger } = lab;
    const unquoted = server.log.map((line) => line.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'));
    expect([answer, ...unquoted].filter((text) => text.includes(MARK))).toEqual([]);
    expect(server.log.filter((line) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line))).toEqual([]);
    expect(stranger.requests).toEqual([]);
  }

  /** A call of `ping` with these header lines, exactly as written. */
  function present(lines: readonly string[]): Promise<RawResponse> {
    const headers = ['Content-Type: application/json', 'Accept: application/json, text/event-stream', ...lines];
    return sendRaw(lab.server.origin, { path: '/mcp', headers, body: BODY });
  }

  describe.each(Object.entries(TOKENS))('%s', (_what, attacks) => {
    it.each(attacks.map((attack) => [attack.name, attack] as const))(
      'refuses %s',
      async (_name, { token: make, reason }) => {
        const token = await make(lab);
        const response = await lab.server.callTool('ping', token);
        // Among so many names of keys, most come while the issuer must not be asked again: then nobody can tell.
        const isUndecided = reason === 'key_unknown' && response.status === 503;
        const expected: ExpectedRefusal = isUndecided
          ? { status: 503, token }
          : { status: 401, error: 'invalid_token', token };
        const { text } = await expectRefusal(lab.server, response, expected);
        expectReason(lab.server, isUndecided ? 'key_undecided' : reason);
        expectNoEffect(text);
      },
    );
  });

  describe('scopes', () => {
    it.each(SCOPES.map((attack) => [attack.name, attack] as const))(
      'does not run %s',
      async (_name, { tool, claims }) => {
        const token = await lab.server.mint({ jti: MARK, ...claims });
        const expected = { status: 403, error: 'insufficient_scope', scope: NEEDED[tool], token } as const;
        const { text } = await expectRefusal(lab.server, await lab.server.callTool(tool, token), expected);
        expectNoEffect(text);
      },
    );
  });

  describe('presentation', () => {
    const expected: Record<Exclude<CredentialsAttack['answer'], 'unparsed'>, ExpectedRefusal> = {
      'no credentials': { status: 401 },
      malformed: { status: 401, error: 'invalid_token' },
      repeated: { status: 400, error: 'invalid_request' },
    };

    it.each(CREDENTIALS.map((attack) => [attack.name, attack] as const))(
      'refuses %s',
      async (_name, { answer, lines }) => {
        const token = await lab.server.mint();
        const response = await present(lines(token));
        if (answer === 'unparsed') {
          expect({ status: response.status, ran: lab.server.ran, log: lab.server.log }).toEqual({
            status: 400,
            ran: [],
            log: [],
          });
          return;
        }
        const { text } = await expectRefusal(lab.server, response, { ...expected[answer], token });
        expectNoEffect(text);
      },
    );
  });

  describe('what is good', () => {
    it.each(CONTROLS.map((control) => [control.name, control] as const))('takes %s', async (_name, { tool, token }) => {
      await expectServed(lab.server, await lab.server.callTool(tool, await token(lab)), tool);
      expect(lab.stranger.requests).toEqual([]);
    });

    it.each(Object.entries(PRESENTATIONS))('takes a token %s', async (_name, line) => {
      await expectServed(lab.server, await present([line(await lab.server.mint())]), 'ping');
    });
  });

  it('asks the issuers for their keys no more than once besides the first time, for all of it together', () => {
    expect(lab.issuer.requestCount('jwks')).toBeLessThanOrEqual(2);
    expect(lab.other.requestCount('jwks')).toBeLessThanOrEqual(2);
  });
});
