import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';
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
});
