import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { expectNoTrace, resetRecorded } from '../support/expectations.js';
import { LOGOUT_CLIENT, LOGOUT_EVENT, LOGOUT_PATH, mintLogoutToken, sendLogout } from '../support/logout.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { alwaysAsync, jsonValue, memberName } from './property.js';

type Members = Readonly<Record<string, unknown>>;

const SUBJECT = 'somebody';
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a logout token that is accepted must have: OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6. */
function mayBeAccepted(header: Members, claims: Members, issuer: string, now: number): boolean {
  const type = header['typ'];
  const audience = [claims['aud']].flat();
  const event = isObject(claims['events']) ? claims['events'][LOGOUT_EVENT] : undefined;
  return (
    (type === undefined || (isText(type) && /^(?:jwt|(?:application\/)?logout\+jwt)$/i.test(type))) &&
    claims['iss'] === issuer &&
    audience.length > 0 &&
    audience.every((one) => one === LOGOUT_CLIENT) &&
    (isText(claims['sub']) || isText(claims['sid'])) &&
    isText(claims['jti']) &&
    isObject(event) &&
    !Object.hasOwn(claims, 'nonce') &&
    typeof claims['iat'] === 'number' &&
    typeof claims['exp'] === 'number' &&
    claims['exp'] > now - 10
  );
}

const claimName = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('iss', 'aud', 'sub', 'sid', 'jti', 'events', 'iat', 'exp', 'nbf', 'nonce', 'crit'),
  },
  { weight: 1, arbitrary: memberName },
);
const value = fc.oneof(
  jsonValue,
  fc.constantFrom<unknown>(
    SUBJECT,
    'session',
    LOGOUT_CLIENT,
    [LOGOUT_CLIENT],
    [],
    { [LOGOUT_EVENT]: {} },
    { [LOGOUT_EVENT]: [] },
  ),
);
const changes = fc.record({
  claims: fc.array(fc.tuple(claimName, value), { maxLength: 2 }),
  header: fc.array(fc.tuple(fc.constantFrom('typ', 'cty', 'crit', 'b64', 'alg', 'kid', 'jwk'), value), {
    maxLength: 1,
  }),
});

describe.each(PLATFORMS)('LIB-27: any logout token, on %s', (platform) => {
  let server: NotesServer;
  beforeAll(async () => {
    let now = (): number => Date.now();
    const sharedIssuer = await TestIssuer.start({ alg: 'ES256', now: () => now() });
    const revocation = { backChannelLogout: { path: LOGOUT_PATH, clientIds: [LOGOUT_CLIENT] } };
    server = await startNotesServer(platform, { sharedIssuer, options: { revocation } });
    now = () => server.clock.now;
  });
  afterAll(async () => {
    await server.close();
    await server.issuer.close();
  });

  it('that is well signed is accepted only as the specification allows, and logs out nobody whom it does not name', async () => {
    const seen = { accepted: 0, refused: 0 };
    const bystander = await server.mint({ sub: 'bystander', sid: 'of the bystander' });
    await alwaysAsync(250, changes, async ({ claims, header }) => {
      resetRecorded(server);
      const now = Math.floor(server.clock.now / 1000);
      const changed = { sub: SUBJECT, iat: now, exp: now + 120, ...Object.fromEntries(claims) };
      const written = Object.fromEntries(header);
      const token = await mintLogoutToken(server.issuer, changed, { header: written }).catch(() => undefined);
      // Not every header can be signed.
      if (token === undefined) return;
      const [ofHeader, ofClaims] = token.split('.').slice(0, 2).map(decoded) as [Members, Members];
      const response = await sendLogout(server.resource, token);
      const text = await response.text();
      expectNoTrace(token, { text, log: server.log.join('\n') });
      const isAccepted = response.status === 200;
      if (!isAccepted)
        expect([response.status, Object.keys(JSON.parse(text) as object)]).toEqual([
          400,
          ['error', 'error_description'],
        ]);
      if (isAccepted)
        expect([ofHeader, ofClaims, mayBeAccepted(ofHeader, ofClaims, server.issuer.issuer, now)]).toEqual([
          ofHeader,
          ofClaims,
          true,
        ]);
      expect((await server.callTool('ping', bystander)).status).toBe(200);
      seen[isAccepted ? 'accepted' : 'refused'] += 1;
    });
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(30);
  });

  it('that is any text at all is refused', async () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(fc.base64String(), { maxLength: 5 }).map((all) => all.join('.')),
    );
    await alwaysAsync(100, text, async (token) => {
      const response = await sendLogout(server.resource, token);
      await response.text();
      expect(response.status).toBe(400);
    });
  });
});

function decoded(part: string): Members {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Members;
}
