import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { callOf } from '../support/challenge-cases.js';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw } from '../support/raw-http.js';
import { alwaysAsync, jsonValue } from './property.js';

const HEADER_NAMES = ['typ', 'alg', 'jwk', 'kid', 'crit', 'b64', 'x5c'];
const CLAIM_NAMES = ['jti', 'htm', 'htu', 'iat', 'ath', 'nonce', 'exp', 'nbf', 'iss'];

/** Members that a proof may have with any value. */
const HARMLESS = new Set(['kid', 'x5c', 'exp', 'nbf', 'iss']);

const change = fc.record({
  part: fc.constantFrom('header', 'claims'),
  name: fc.constantFrom(...HEADER_NAMES, ...CLAIM_NAMES),
  value: fc.option(jsonValue, { nil: undefined }),
});

/** White space around the value of a header field (RFC 9110 §5.5). */
const OUTER_SPACE = /^[ \t]+|[ \t]+$/g;

/** Characters that a header field can have on the wire, and some that it cannot. */
const oddText = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) });
const withoutLineBreaks = oddText.map((text) => text.replace(/[\r\n]/g, ''));

type WriteProof = (good: string, second: string) => string;

const writeProof: fc.Arbitrary<WriteProof> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<WriteProof>((good) => good) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<WriteProof>(
      (good) => ` \t${good}\t `,
      (good, second) => `${good}, ${second}`,
      (good, second) => `${good},${second}`,
      (good) => `${good},`,
      (good) => `,${good}`,
      (good) => `"${good}"`,
      (good) => `${good};a=b`,
      (good) => `DPoP ${good}`,
      (good) => `${good}\u00a0`,
      () => '',
    ),
  },
  {
    weight: 2,
    arbitrary: withoutLineBreaks.map(
      (text): WriteProof =>
        () =>
          text,
    ),
  },
  {
    weight: 1,
    arbitrary: withoutLineBreaks.map(
      (text): WriteProof =>
        (good) =>
          good + text,
    ),
  },
);

const writeCredentials = fc.oneof(
  { weight: 4, arbitrary: fc.constant((token: string) => `DPoP ${token}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      (token: string) => `dpop   ${token}`,
      (token: string) => `Bearer ${token}`,
      (token: string) => `DPoP\t${token}`,
      (token: string) => `DPoP ${token}, Bearer ${token}`,
      (token: string) => `DPoP ${token} ${token}`,
    ),
  },
);

const fields = fc.record({
  proofs: fc.array(fc.tuple(fc.constantFrom('DPoP', 'dpop', 'DPOP'), writeProof), { maxLength: 3 }),
  tokens: fc.array(writeCredentials, { minLength: 1, maxLength: 2 }),
});

describe.each(PLATFORMS)('proofs with arbitrary members, on %s', (platform) => {
  let dpop: DpopServer;

  beforeAll(async () => {
    dpop = await startDpopServer(platform);
  });
  afterAll(() => dpop.close());

  it('SEP1932-01: are refused with 401, or are as good as before', async () => {
    await alwaysAsync(400, change, async ({ part, name, value }) => {
      const response = await dpop.callWith({ [part]: { [name]: value } });
      const isOwn = (part === 'header') === HEADER_NAMES.includes(name);
      await response.text();
      if (!isOwn || HARMLESS.has(name)) return expect(response.status).toBe(200);
      const isUnchanged = value === undefined && ['nonce', 'crit', 'b64'].includes(name);
      const isText = typeof value === 'string' && value !== '' && value.length <= 1_024;
      if (isUnchanged || (isText && ['jti', 'nonce'].includes(name)))
        return expect([200, 401]).toContain(response.status);
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringMatching(/^DPoP error="invalid_(?:dpop_proof|token)"/),
      ]);
    });
  });

  it('SEP1932-01: are refused with 401 if they are cut, repeated or mixed', async () => {
    const token = await dpop.mintBound();
    const cut = fc.tuple(fc.nat(400), fc.nat(400), fc.string({ maxLength: 20, unit: 'grapheme-ascii' }));
    await alwaysAsync(300, cut, async ([from, to, text]) => {
      const proof = dpop.proof(token);
      const changed = `${proof.slice(0, from)}${text}${proof.slice(to)}`.trim();
      if (changed === proof) return;
      const response = await dpop.call({ authorization: `DPoP ${token}`, dpop: changed });
      expect([response.status, await response.text()]).toEqual([401, expect.any(String)]);
    });
  });

  it('SEP1932-01: are refused if their header field is repeated, a list, or has odd characters', async () => {
    await alwaysAsync(300, fields, async ({ proofs, tokens }) => {
      const token = await dpop.mintBound();
      const good = dpop.proof(token);
      const lines = [
        ...proofs.map(([name, write]) => `${name}: ${write(good, dpop.proof(token))}`),
        ...tokens.map((write) => `Authorization: ${write(token)}`),
      ];
      const sent = await sendRaw(dpop.server.origin, {
        path: '/mcp',
        headers: ['Content-Type: application/json', 'Accept: application/json, text/event-stream', ...lines],
        body: JSON.stringify(callOf('ping')),
      });
      const valuesOf = (name: RegExp): string[] =>
        lines.flatMap((line) => (name.test(line) ? [line.replace(name, '').replace(OUTER_SPACE, '')] : []));
      const credentials = valuesOf(/^authorization:/i);
      const isGood =
        credentials.length === 1 &&
        /^dpop +/i.test(credentials[0] ?? '') &&
        credentials[0]?.replace(/^dpop +/i, '') === token &&
        valuesOf(/^dpop:/i).join('\n') === good;
      expect([lines, isGood ? [200] : [400, 401]]).toEqual([lines, expect.arrayContaining([sent.status])]);
    });
    expect((await dpop.callWith({})).status).toBe(200);
  });

  it('SEP1932-01: are refused if the last of two members of one name is wrong', async () => {
    const member = fc.constantFrom('typ', 'alg', 'jwk', 'htm', 'htu', 'iat', 'ath', 'jti');
    await alwaysAsync(200, fc.tuple(member, jsonValue, fc.boolean()), async ([name, value, isWrongLast]) => {
      const token = await dpop.mintBound();
      const parts = dpop.proof(token).split('.').slice(0, 2);
      const [header, claims] = parts.map((part) => Buffer.from(part, 'base64url').toString()) as [string, string];
      const isHeader = HEADER_NAMES.includes(name);
      const text = isHeader ? header : claims;
      const wrong = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      const doubled = isWrongLast ? `${text.slice(0, -1)},${wrong}}` : `{${wrong},${text.slice(1)}`;
      const response = await dpop.callWith(isHeader ? { rawHeader: doubled, payload: claims } : { payload: doubled });
      await response.text();
      const isAnyId = name === 'jti' && typeof value === 'string' && value !== '';
      expect(isWrongLast && !isAnyId ? [401] : [200, 401]).toContain(response.status);
    });
  });
});
