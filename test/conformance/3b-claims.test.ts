import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import type { NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { NAMED_ISSUER, startWithSlashedIssuer } from '../support/token-issuers.js';
import { expectAccepted, expectReason, expectRejected, whoami } from '../support/tokens.js';

// What the claims of an access token must say, whoever signed it.

describe.each(PLATFORMS)('the claims of an access token, on %s', (platform) => {
  let started: Awaited<ReturnType<typeof startWithSlashedIssuer>>;
  let server: NotesServer;

  /** Trusted too; its identifier ends in a slash. */
  let slashed: TestIssuer;

  const now = (): number => server.clock.now;
  const seconds = (): number => Math.floor(now() / 1000);

  beforeAll(async () => {
    started = await startWithSlashedIssuer(platform);
    ({ server, slashed } = started);
  });

  afterAll(() => started.close());

  beforeEach(() => {
    resetRecorded(server);
    // Whole seconds, so that a test can stand exactly on a boundary.
    server.clock.now = Math.ceil(server.clock.now / 1000) * 1000;
  });

  const mintStrict: TestIssuer['mint'] = (claims, options) => started.mintStrict(claims, options);

  /** A token whose payload has this JSON text as the value of one claim, written as it stands. */
  async function mintText(claim: string, text: string): Promise<string> {
    const claims = {
      iss: server.issuer.issuer,
      sub: 'alice',
      client_id: 'c',
      aud: server.resource,
      exp: seconds() + 60,
    };
    const payload = JSON.stringify({ ...claims, [claim]: '@' }).replace('"@"', text);
    return server.mint({}, { payload });
  }

  describe('iss', () => {
    it('RFC9068-4-b: takes the issuer as configured, and tells handlers the same', async () => {
      const token = await server.mint({ iss: NAMED_ISSUER });
      expect(await whoami(server, token)).toMatchObject({ issuer: NAMED_ISSUER });
    });

    it.each([
      `${NAMED_ISSUER}/`,
      NAMED_ISSUER.toLowerCase(),
      NAMED_ISSUER.replace('login', 'LOGIN'),
      NAMED_ISSUER.replace('https', 'HTTPS'),
      NAMED_ISSUER.replace('https', 'http'),
      NAMED_ISSUER.replace('.com', '.com:443'),
      NAMED_ISSUER.replace('.com', '.com.'),
      NAMED_ISSUER.replace('Realms', '%52ealms'),
      NAMED_ISSUER.replace('Realms', 'x/../Realms'),
      NAMED_ISSUER.replace('//', '//user@'),
      NAMED_ISSUER.replace('example', 'ехample'),
      NAMED_ISSUER.replace('main', ''),
      `${NAMED_ISSUER}?`,
      `${NAMED_ISSUER}#`,
      `${NAMED_ISSUER}/other`,
      `${NAMED_ISSUER}2`,
      ` ${NAMED_ISSUER}`,
      `${NAMED_ISSUER}\0`,
      'https://login.example.com',
      'https://login.example.com.evil.example/Realms/main',
      'login.example.com/Realms/main',
      '',
      'toString',
      '__proto__',
      undefined,
      null,
      7,
      true,
      {},
      [],
      [NAMED_ISSUER],
      { [NAMED_ISSUER]: NAMED_ISSUER },
    ])('RFC9068-4-b: refuses iss %j, which is not the issuer code point by code point', async (iss) => {
      await expectRejected(server, await server.mint({ iss }), 'issuer_unknown');
    });

    it('RFC9068-4-b: a slash at the end belongs to the identifier of an issuer that has one', async () => {
      const claims = { aud: server.resource };
      await expectAccepted(server, await slashed.mint(claims));
      await expectRejected(
        server,
        await slashed.mint({ ...claims, iss: slashed.issuer.slice(0, -1) }),
        'issuer_unknown',
      );
      await expectRejected(server, await slashed.mint({ ...claims, iss: `${slashed.issuer}/` }), 'issuer_unknown');
    });
  });

  describe('aud', () => {
    it('RFC9068-4-c: takes a token for this resource, alone or among others', async () => {
      const { resource } = server;
      for (const aud of [resource, [resource], ['x', resource], [resource, 'x'], ['x', resource, resource]]) {
        await expectAccepted(server, await server.mint({ aud }));
      }
    });

    it.each<[unknown, McpAuthReason]>([
      [undefined, 'audience_missing'],
      [null, 'audience_missing'],
      [[], 'audience_missing'],
      ['', 'audience_missing'],
      ['x', 'audience_rejected'],
      [['x', 'y'], 'audience_rejected'],
      [{}, 'claim_malformed'],
      [7, 'claim_malformed'],
      [true, 'claim_malformed'],
    ])('RFC9068-4-c: refuses aud %j', async (aud, reason) => {
      await expectRejected(server, await server.mint({ aud }), reason);
      await expectRejected(server, await mintStrict({ aud }), reason);
    });

    it.each<[string, (resource: string) => unknown, McpAuthReason]>([
      ['R + "/"', (resource) => `${resource}/`, 'audience_rejected'],
      ['R + "/sub"', (resource) => `${resource}/sub`, 'audience_rejected'],
      ['R + "?x"', (resource) => `${resource}?x`, 'audience_rejected'],
      ['R + "#"', (resource) => `${resource}#`, 'audience_rejected'],
      ['R + "2"', (resource) => `${resource}2`, 'audience_rejected'],
      ['R + " "', (resource) => `${resource} `, 'audience_rejected'],
      ['"x " + R', (resource) => `x ${resource}`, 'audience_rejected'],
      ['R + " " + R', (resource) => `${resource} ${resource}`, 'audience_rejected'],
      ['R + "," + R', (resource) => `${resource},${resource}`, 'audience_rejected'],
      ['the JSON of [R]', (resource) => JSON.stringify([resource]), 'audience_rejected'],
      ['R with its path in upper case', (resource) => resource.replace('/mcp', '/MCP'), 'audience_rejected'],
      ['R with its scheme in upper case', (resource) => resource.replace('http', 'HTTP'), 'audience_rejected'],
      ['R with its path percent-encoded', (resource) => resource.replace('/mcp', '/%6Dcp'), 'audience_rejected'],
      ['R by another way', (resource) => resource.replace('/mcp', '/x/../mcp'), 'audience_rejected'],
      ['R under another scheme', (resource) => resource.replace('http', 'https'), 'audience_rejected'],
      ['the origin of R', (resource) => new URL(resource).origin, 'audience_rejected'],
      ['R without its last letter', (resource) => resource.slice(0, -1), 'audience_rejected'],
      ['[[R]]', (resource) => [[resource]], 'claim_malformed'],
      ['[R, 7]', (resource) => [resource, 7], 'claim_malformed'],
      ['[null, R]', (resource) => [null, resource], 'claim_malformed'],
      ['{ 0: R }', (resource) => ({ 0: resource, length: 1 }), 'claim_malformed'],
      ['{ R: true }', (resource) => ({ [resource]: true }), 'claim_malformed'],
    ])('RFC7519-4.1.3-a: refuses an aud of %s, which is not R as a whole', async (_what, aud, reason) => {
      await expectRejected(server, await server.mint({ aud: aud(server.resource) }), reason);
    });
  });

  describe('exp', () => {
    // The default tolerance is 5 seconds.
    it.each([-3600, -6, -5])(
      'RFC9068-4-e: refuses a token at and after exp, tolerance included: exp = now %i s',
      async (offset) => {
        await expectRejected(server, await server.mint({ exp: seconds() + offset }), 'expired');
      },
    );

    it.each([-4, 0, 5, 300.5])(
      'RFC9068-4-e: takes a token before exp, tolerance included: exp = now + %d s',
      async (offset) => {
        await expectAccepted(server, await server.mint({ exp: seconds() + offset }));
      },
    );

    it('RFC9068-4-e: refuses a token without exp', async () => {
      await expectRejected(server, await server.mint({ exp: undefined }), 'expiry_missing');
      await expectRejected(server, await mintStrict({ exp: undefined }), 'expiry_missing');
    });

    it('RFC9068-4-e: a token that was good dies at exp, to the millisecond', async () => {
      const token = await server.mint({ exp: seconds() + 5 });
      await expectAccepted(server, token);
      server.clock.now += 9_999;
      await expectAccepted(server, token);
      server.clock.now += 1;
      await expectRejected(server, token, 'expired');
    });

    it('RFC9068-4-e: refuses an expired token as expired, whatever scope it lacks', async () => {
      const token = await server.mint({ exp: seconds() - 60, scope: '' });
      const response = await server.callTool('write-note', token);
      await expectRefusal(server, response, { status: 401, error: 'invalid_token', scope: 'a b', token });
    });
  });

  describe('NumericDate', () => {
    const values: readonly [string, McpAuthReason][] = [
      ['"9999999999"', 'time_malformed'],
      ['"1"', 'time_malformed'],
      ['true', 'time_malformed'],
      ['false', 'time_malformed'],
      ['[1]', 'time_malformed'],
      ['{}', 'time_malformed'],
      ['-1', 'time_malformed'],
      ['-0.5', 'time_malformed'],
      ['1e999', 'time_malformed'],
      ['-1e999', 'time_malformed'],
      ['NaN', 'token_malformed'],
      ['Infinity', 'token_malformed'],
      ['0x7fffffff', 'token_malformed'],
    ];

    it.each(['exp', 'nbf', 'iat'].flatMap((claim) => values.map(([text, reason]) => ({ claim, text, reason }))))(
      'RFC7519-4.1.4-a: refuses $claim of $text, which is not a finite number from 0 on',
      async ({ claim, text, reason }) => {
        await expectRejected(server, await mintText(claim, text), reason);
      },
    );

    it.each(['null', '""', '[]'])(
      'LIB-30: takes %s for no date: exp is then missing, nbf and iat may be',
      async (text) => {
        await expectRejected(server, await mintText('exp', text), 'expiry_missing');
        for (const claim of ['nbf', 'iat']) await expectAccepted(server, await mintText(claim, text));
      },
    );

    it.each(['exp', 'nbf', 'iat'])(
      'RFC7519-4.1.4-a: takes a fraction as %s, and any spelling of a number',
      async (claim) => {
        const base = seconds() + (claim === 'exp' ? 60 : -60);
        for (const text of [`${base}.5`, `${base}.0`, `${base}e0`, `${base / 1000}E+3`]) {
          await expectAccepted(server, await mintText(claim, text));
        }
      },
    );

    it.each(['1e30', '99999999999', '9007199254740993', '1.7976931348623157e308'])(
      'RFC7519-4.1.4-a: refuses exp %s: nothing lives that long',
      async (text) => {
        await expectRejected(server, await mintText('exp', text), 'lifetime_too_long');
      },
    );

    it('RFC7519-4.1.4-a: takes a lifetime of a day, tolerance included, and not a second more', async () => {
      await expectAccepted(server, await server.mint({ exp: seconds() + 86_405 }));
      await expectRejected(server, await server.mint({ exp: seconds() + 86_406 }), 'lifetime_too_long');
    });

    it('RFC7519-4.1.4-a: takes exp 0 for the time it is', async () => {
      await expectRejected(server, await server.mint({ exp: 0 }), 'expired');
    });
  });

  describe('nbf and iat', () => {
    it.each([-3600, -1, 0, 5])(
      'RFC7519-4.1.5-a: takes a token from nbf on, tolerance included: nbf = now + %i s',
      async (offset) => {
        await expectAccepted(server, await server.mint({ nbf: seconds() + offset }));
      },
    );

    it.each([6, 3600, 1e12])('RFC7519-4.1.5-a: refuses a token before nbf: nbf = now + %i s', async (offset) => {
      await expectRejected(server, await server.mint({ nbf: seconds() + offset }), 'not_yet_valid');
    });

    it('RFC7519-4.1.5-a: a token becomes good at nbf', async () => {
      const token = await server.mint({ nbf: seconds() + 60, exp: seconds() + 600 });
      server.clock.now += 54_999;
      await expectRejected(server, token, 'not_yet_valid');
      server.clock.now += 1;
      await expectAccepted(server, token);
    });

    it('RFC9068-2.2-a: refuses a token issued in the future, under either profile', async () => {
      const iat = seconds() + 3600;
      await expectRejected(server, await server.mint({ iat }), 'not_yet_valid');
      await expectRejected(server, await mintStrict({ iat }), 'not_yet_valid');
    });

    it('RFC9068-2.2-a: takes a token whose iat is ahead of the clock by up to five minutes: nbf says from when on it holds', async () => {
      for (const ahead of [1, 6, 8, 60, 299, 300])
        await expectAccepted(server, await server.mint({ iat: seconds() + ahead }));
      await expectAccepted(server, await mintStrict({ iat: seconds() + 299 }));
      await expectRejected(server, await server.mint({ iat: seconds() + 301 }), 'not_yet_valid');
      await expectRejected(server, await server.mint({ iat: seconds() + 8, nbf: seconds() + 8 }), 'not_yet_valid');
    });
  });

  it('RFC9068-4-g: answers each bad claim with invalid_token, whatever else the operation would need', async () => {
    const bad: Record<string, unknown>[] = [
      { iss: 'https://evil.example' },
      { iss: undefined },
      { aud: 'https://other.example' },
      { aud: undefined },
      { exp: seconds() - 60 },
      { exp: undefined },
      { exp: '1' },
      { nbf: seconds() + 3600 },
      { iat: seconds() + 3600 },
      { sub: 7 },
      { nonce: 'n' },
    ];
    for (const claims of bad) {
      resetRecorded(server);
      const token = await server.mint({ scope: '', ...claims });
      const expected = { status: 401, error: 'invalid_token', scope: 'a b', token } as const;
      await expectRefusal(server, await server.callTool('write-note', token), expected);
    }
    expectReason(server, 'not_an_access_token');
  });
});
