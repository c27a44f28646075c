import { ForbiddenException, Injectable, UnauthorizedException } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify, SignJWT } from 'jose';
import {
  McpAuthError,
  McpAuthService,
  TokenVerifier,
  type McpAuthModuleOptions,
  type VerifiedToken,
  type VerifierOption,
} from 'nestjs-mcp-auth';
import { generateTestKey, TestIssuer } from 'nestjs-mcp-auth/testing';
import { invalidToken, type McpAuthReason } from '../../lib/core/error.js';
import { saysTokenIsBad } from '../../lib/token/bad-token-error.js';
import { initBareApplication } from '../support/bare-application.js';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { expectAccepted, expectReason, expectRejected, whoami } from '../support/tokens.js';

// Verification by the application: how it is given, what is held against its results, and what its errors mean.

describe.each(PLATFORMS)('a verifier of the application, on %s', (platform) => {
  let server: NotesServer;
  afterEach(() => server?.close());

  const ISSUER = 'https://as.example';
  /** What a verifier that has no complaints returns. */
  const good = (more: Readonly<Record<string, unknown>> = {}): VerifiedToken => ({
    issuer: ISSUER,
    subject: 'alice',
    clientId: 'cli',
    scopes: ['a'],
    audience: [server.resource],
    expiresAt: Math.floor(server.clock.now / 1000) + 300,
    claims: { tenant: 't1' },
    ...more,
  });

  async function serve(
    verifier: VerifierOption,
    more: Partial<McpAuthModuleOptions> = {},
    settings: NotesServerSettings = {},
  ): Promise<void> {
    const options = { authorizationServers: [ISSUER], verifier, ...more } as Partial<McpAuthModuleOptions>;
    server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options, ...settings });
    resetRecorded(server);
  }

  async function expectUndecided(token: string): Promise<string> {
    resetRecorded(server);
    await expectRefusal(server, await server.callTool('ping', token), { status: 503, token });
    expectReason(server, 'verifier_unavailable');
    return server.log.join('\n');
  }

  describe('is', () => {
    it('a function, sync or async', async () => {
      const seen: string[] = [];
      await serve((token) => {
        seen.push(token);
        return good();
      });
      expect(await whoami(server, 'api-key-1')).toMatchObject({
        subject: 'alice',
        clientId: 'cli',
        scopes: ['a'],
        issuer: ISSUER,
        claims: { tenant: 't1' },
      });
      expect(seen).toEqual(['api-key-1']);
      await server.close();
      await serve(async () => good({ subject: 'bob' }));
      expect(await whoami(server, 'x')).toMatchObject({ subject: 'bob' });
    });

    it('an object, which is not changed', async () => {
      class Keys extends TokenVerifier {
        calls = 0;

        override async verify(): Promise<VerifiedToken> {
          this.calls++;
          return good();
        }
      }
      const verifier = new Keys();
      await serve(verifier);
      await expectAccepted(server, 'x');
      expect(verifier.calls).toBe(1);
      expect(Object.isFrozen(verifier)).toBe(false);
    });

    it('an object of somebody else, as long as it can verify', async () => {
      await serve({ verify: () => Promise.resolve(good()) });
      await expectAccepted(server, 'x');
    });

    @Injectable()
    class Directory {
      readonly known = new Map([['key-of-carol', 'carol']]);
    }

    @Injectable()
    class DirectoryVerifier extends TokenVerifier {
      constructor(private readonly directory: Directory) {
        super();
      }

      override async verify(token: string): Promise<VerifiedToken> {
        const subject = this.directory.known.get(token);
        if (subject === undefined) throw new UnauthorizedException();
        return good({ subject });
      }
    }

    it('the class of a provider of any module, with what its constructor needs', async () => {
      await serve(DirectoryVerifier, {}, { providers: [Directory, DirectoryVerifier] });
      expect(await whoami(server, 'key-of-carol')).toMatchObject({ subject: 'carol' });
      await expectRejected(server, 'key-of-nobody', 'verifier_failed');
    });

    it('an abstract class that a provider stands for', async () => {
      const provider = { provide: TokenVerifier, useClass: DirectoryVerifier };
      await serve(TokenVerifier, {}, { providers: [Directory, provider] });
      expect(await whoami(server, 'key-of-carol')).toMatchObject({ subject: 'carol' });
    });

    it('a class that nobody provides, if it needs nothing', async () => {
      class Simple extends TokenVerifier {
        override verify = async (): Promise<VerifiedToken> => good({ subject: 'dave' });
      }
      await serve(Simple);
      expect(await whoami(server, 'x')).toMatchObject({ subject: 'dave' });
    });

    it('that of the resource, before that of the module', async () => {
      const own = 'https://mcp.example/one';
      const other = 'https://mcp.example/two';
      const verifierFor = (audience: string, subject: string) => (): VerifiedToken => ({
        issuer: ISSUER,
        subject,
        scopes: [],
        audience: [audience],
        expiresAt: Date.now() / 1000 + 300,
        claims: {},
      });
      const app = await initBareApplication(platform, {
        resources: [
          { resource: own, authorizationServers: [ISSUER], verifier: verifierFor(own, 'own') },
          { resource: other, authorizationServers: [ISSUER] },
        ],
        verifier: verifierFor(other, 'common'),
      });
      const auth = app.get(McpAuthService);
      expect(await auth.verify('x', own)).toMatchObject({ subject: 'own' });
      expect(await auth.verify('x', other)).toMatchObject({ subject: 'common' });
      await app.close();
    });
  });

  describe('is held to the same rules: a result', () => {
    it.each<[what: string, more: () => Readonly<Record<string, unknown>>, reason: McpAuthReason]>([
      ['of an issuer that is not configured', () => ({ issuer: 'https://other.example' }), 'issuer_unknown'],
      ['of an issuer that is spelt in another way', () => ({ issuer: `${ISSUER}/` }), 'issuer_unknown'],
      ['without an issuer', () => ({ issuer: undefined }), 'issuer_unknown'],
      ['for another audience', () => ({ audience: ['other'] }), 'audience_rejected'],
      [
        'for an audience that merely begins the same',
        () => ({ audience: [`${server.resource}/sub`] }),
        'audience_rejected',
      ],
      ['without an audience', () => ({ audience: undefined }), 'audience_missing'],
      ['with an empty audience', () => ({ audience: [] }), 'audience_missing'],
      ['that is expired', () => ({ expiresAt: server.clock.now / 1000 - 5 }), 'expired'],
      ['without an expiry', () => ({ expiresAt: undefined }), 'expiry_missing'],
      ['with an expiry of NaN', () => ({ expiresAt: Number.NaN }), 'time_malformed'],
      ['with an expiry of Infinity', () => ({ expiresAt: Infinity }), 'time_malformed'],
      ['with a Date for an expiry', () => ({ expiresAt: new Date() }), 'time_malformed'],
      ['with an expiry in milliseconds', () => ({ expiresAt: server.clock.now + 300_000 }), 'lifetime_too_long'],
      ['without subject and client', () => ({ subject: undefined, clientId: undefined }), 'no_principal'],
      ['with a subject that is not a string', () => ({ subject: 7 }), 'claim_malformed'],
      ['with claims that are no object', () => ({ claims: [] }), 'claim_malformed'],
      ['with claims that are no plain data', () => ({ claims: { db: () => 1 } }), 'claim_malformed'],
      ['bound to a key', () => ({ claims: { cnf: { jkt: 'x' } } }), 'sender_constrained'],
    ])('%s is refused', async (_what, more, reason) => {
      await serve(() => good(more()));
      await expectRejected(server, 'x', reason);
    });

    it.each([undefined, null, false, true, 'alice', 7, [], [{ subject: 'alice' }]])(
      'of %p is refused',
      async (result) => {
        await serve((() => result) as never);
        await expectRejected(server, 'x', 'verifier_failed');
      },
    );

    it('that inherits its members is refused', async () => {
      await serve(() => Object.create(good()) as VerifiedToken);
      await expectRejected(server, 'x', 'issuer_unknown');
    });

    it('within the tolerance for clocks is accepted', async () => {
      await serve(() => good({ expiresAt: server.clock.now / 1000 - 3 }));
      await expectAccepted(server, 'x');
    });

    it('with no more than it must have is accepted', async () => {
      await serve(() => good({ clientId: undefined, claims: undefined, scopes: undefined }));
      expect(await whoami(server, 'x')).toMatchObject({ subject: 'alice', scopes: [], claims: {} });
    });

    it('grants only what are scope tokens', async () => {
      await serve(() => good({ scopes: ['a', 'b c', 'd"e', 7, '', 'a'] }));
      expect(await whoami(server, 'x')).toMatchObject({ scopes: ['a'] });
      resetRecorded(server);
      await expectRefusal(server, await server.callTool('write-note', 'x'), {
        status: 403,
        error: 'insufficient_scope',
        scope: 'a b',
      });
    });

    it('is copied: what the application does with its own later changes nothing, and nothing is frozen for it', async () => {
      const claims = { roles: ['y'] };
      const result = { claims };
      await serve(() => Object.assign(result, good({ claims })));
      await expectAccepted(server, 'x');
      expect([Object.isFrozen(result), Object.isFrozen(claims), Object.isFrozen(claims.roles)]).toEqual([
        false,
        false,
        false,
      ]);
    });
  });

  describe('LIB-08: an error', () => {
    it('LIB-08: of jose about the token is 401, and of its keys is 503', async () => {
      const issuer = await TestIssuer.start({ alg: 'ES256' });
      try {
        const keys = createRemoteJWKSet(new URL(issuer.jwksUri), { cooldownDuration: 0 });
        await serve(async (token) => {
          const { payload } = await jwtVerify(token, keys, {
            audience: server.resource,
            currentDate: new Date(server.clock.now),
          });
          return good({ subject: payload.sub });
        });
        const mint = (claims: object = {}, options: object = {}): Promise<string> =>
          issuer.mint({ aud: server.resource, ...claims }, options);
        await expectAccepted(server, await mint());
        await expectRejected(server, 'no-jwt', 'verifier_failed');
        await expectRejected(server, await mint({ exp: 1 }), 'verifier_failed');
        await expectRejected(server, await mint({ aud: 'other' }), 'verifier_failed');
        await expectRejected(server, await mint({}, { signature: 'AAAA' }), 'verifier_failed');
        await expectRejected(
          server,
          await mint({}, { key: await generateTestKey({ alg: 'ES256' }) }),
          'verifier_failed',
        );
        issuer.fail('error', 'jwks');
        await expectUndecided(await mint({}, { key: await generateTestKey({ alg: 'ES256' }) }));
        issuer.fail('down', 'jwks');
        await expectUndecided(await mint({}, { key: await generateTestKey({ alg: 'ES256' }) }));
      } finally {
        await issuer.close();
      }
    });

    it.each<[what: string, error: () => unknown]>([
      ['an exception of Nest with status 401', () => new UnauthorizedException('no')],
      ['marked in its code', () => Object.assign(new Error('no'), { code: 'invalid_token' })],
      [
        'marked in its errorCode, as in the MCP SDK',
        () => Object.assign(new Error('no'), { errorCode: 'invalid_token' }),
      ],
      ['marked in its error, as in OAuth', () => ({ error: 'invalid_token', error_description: 'no' })],
      ['of jsonwebtoken', () => Object.assign(new Error('jwt expired'), { name: 'TokenExpiredError' })],
    ])('LIB-08: %s is 401', async (_what, error) => {
      await serve(() => {
        throw error();
      });
      await expectRejected(server, 'x', 'verifier_failed');
    });

    it.each<[what: string, error: () => unknown]>([
      [
        'of the network',
        () =>
          Object.assign(new TypeError('fetch failed'), {
            cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
          }),
      ],
      ['that is a bug', () => new TypeError("Cannot read properties of undefined (reading 'x')")],
      [
        'with the status 401 of another service',
        () => Object.assign(new Error('Request failed'), { status: 401, statusCode: 401, response: { status: 401 } }),
      ],
      ['of Nest with another status', () => new ForbiddenException()],
      ['about the credentials of this server', () => Object.assign(new Error('x'), { code: 'invalid_client' })],
      ['that is not an error', () => 'database is down'],
      ['that is nothing', () => undefined],
      ['that cannot be made text', () => Object.create(null) as unknown],
      ['whose message is an object', () => Object.assign(new Error('x'), { message: { reason: 'down' } })],
    ])('LIB-08: %s is 503, and the operator is told', async (_what, error) => {
      await serve(() => {
        throw error();
      });
      expect(await expectUndecided('x')).toMatch(/configured verifier failed/);
    });

    it('LIB-08: that is an McpAuthError says itself what it is', async () => {
      const thrown: McpAuthError[] = [
        new McpAuthError('temporarily_unavailable', 'issuer_unreachable', { retryAfterSeconds: 17 }),
        new McpAuthError('access_denied', 'policy_denied'),
        invalidToken('expired'),
      ];
      await serve(() => {
        throw thrown[0];
      });
      const { header } = await expectRefusal(server, await server.callTool('ping', 'x'), { status: 503 });
      expect(header('retry-after')).toBe('17');
      thrown.shift();
      await expectRefusal(server, await server.callTool('ping', 'x'), { status: 403 });
      thrown.shift();
      await expectRejected(server, 'x', 'expired');
    });

    it('LIB-08: that is an McpAuthError with a reason of its own, which no type allows, says what it is all the same', async () => {
      await serve(() => {
        throw new McpAuthError('access_denied', 'toString' as never);
      });
      await expectRefusal(server, await server.callTool('ping', 'x'), { status: 403 });
      expect(server.log.join('\n')).toContain('Refused 403 access_denied');
    });

    it('shows neither in log nor answer what it says of the token', async () => {
      const token = 'eyJhbGciOiJub25lIn0.c2VjcmV0LXBheWxvYWQ.c2lnbmF0dXJl';
      await serve(
        (given) => {
          throw new Error(`could not look up ${given} (${given.split('.')[1]})`);
        },
        { exposeErrorDetails: true },
      );
      expect(await expectUndecided(token)).toContain('could not look up');
    });

    it('shows nothing of a token that is percent-encoded in a URL', async () => {
      const token = 'opaque+token/of~alice==';
      await serve((given) => {
        throw new Error(`GET https://login.example.com/tokens/${encodeURIComponent(given)}: 500`);
      });
      expect(await expectUndecided(token)).toContain('login.example.com/tokens/…: 500');
    });

    it('cannot write a second line to the log', async () => {
      await serve(() => {
        throw new Error('down\nERROR forged\u001b[2J');
      });
      const log = await expectUndecided('x');
      expect(log.split('\n').filter((line) => line.startsWith('ERROR'))).toEqual([]);
      expect(log).not.toContain('\u001b');
    });

    it('is told of now and then, not with every request', async () => {
      await serve(() => {
        throw new Error('down');
      });
      const lines = async (): Promise<number> =>
        (await expectUndecided('x'))
          .split('\n')
          .filter(
            (line) =>
              line.includes('configured verifier failed and') || line.includes('The configured verifier failed,'),
          ).length;
      expect([await lines(), await lines()]).toEqual([1, 0]);
      server.clock.now += 30_000;
      expect(await lines()).toBe(1);
    });
  });

  describe('is asked', () => {
    it('every time, since only the application knows what its answer depends on', async () => {
      let asked = 0;
      await serve(() => (asked++, good()));
      await expectAccepted(server, 'x');
      await expectAccepted(server, 'x');
      expect(asked).toBe(2);
    });

    it('once in a while where the cache is set up explicitly', async () => {
      let asked = 0;
      await serve(() => (asked++, good()), { cache: { ttlSeconds: 60 } });
      await expectAccepted(server, 'x');
      await expectAccepted(server, 'x');
      expect(asked).toBe(1);
      server.clock.now += 60_000;
      await expectAccepted(server, 'x');
      expect(asked).toBe(2);
    });

    it('not for requests without a token', async () => {
      let asked = 0;
      await serve(() => (asked++, good()));
      await expectRefusal(server, await server.callTool('ping'), { status: 401 });
      expect(asked).toBe(0);
    });
  });

  it('takes tokens of any form', async () => {
    await serve(() => good());
    for (const token of ['x', 'a.b.c', 'sk_live_0123456789', 'eyJhbGciOiJkaXIifQ..iv.text.tag']) {
      resetRecorded(server);
      await expectServed(server, await server.callTool('ping', token), 'ping');
    }
  });
});

describe('saysTokenIsBad', () => {
  it('knows every error of jose: about tokens, and about keys', () => {
    const ofKeys = new Set(['JOSEError', 'JWKInvalid', 'JWKSInvalid', 'JWKSTimeout']);
    for (const [name, ErrorOfJose] of Object.entries(errors)) {
      const make = ErrorOfJose as unknown as new (...given: unknown[]) => Error;
      expect({ name, isBad: saysTokenIsBad(new make('message', {})) }).toEqual({ name, isBad: !ofKeys.has(name) });
    }
  });

  it('takes an error of jose from another copy of jose', async () => {
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32));
    const error = await jwtVerify(token, createLocalJWKSet({ keys: [] })).catch((thrown: object) => ({
      ...thrown,
      code: (thrown as { code: string }).code,
    }));
    expect(error).not.toBeInstanceOf(Error);
    expect(saysTokenIsBad(error)).toBe(true);
  });
});
