import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { McpAuthError, McpAuthService, type McpAuthInfo } from 'nestjs-mcp-auth';
import { expectRefusal, expectServed, resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS, type Platform } from '../support/platforms.js';
import { allowKeySearch, withPart } from '../support/tokens.js';
import { brokenRules, grantedScopes, statedClaims, type Circumstances } from './access-token-rules.js';
import { alwaysAsync, jsonValue, memberName } from './property.js';

type Members = Readonly<Record<string, unknown>>;

/** One change to a header or to claims: a member that is replaced, added, written twice, or left out. */
interface Change {
  readonly part: 'header' | 'claims';
  readonly name: string;
  /** As JSON text, so that numbers beyond JavaScript's can stand there too; undefined leaves the member out. */
  readonly value: string | undefined;
  /** Where it stands among the others: of two with one name, the last counts. */
  readonly isFirst: boolean;
}

const HEADER_NAMES = ['alg', 'typ', 'kid', 'crit', 'b64', 'cty', 'zip', 'jwk', 'jku', 'x5c', 'x5u', 'enc', 'p2c'];
const CLAIM_NAMES = [
  'iss',
  'aud',
  'exp',
  'nbf',
  'iat',
  'sub',
  'client_id',
  'azp',
  'cid',
  'appid',
  'jti',
  'scope',
  'scp',
  'cnf',
  'act',
  'nonce',
  'at_hash',
  'events',
  'htm',
  'response_type',
  'typ',
  'token_use',
  'gty',
  'idtyp',
];

/** Values that mean something in one place or another; what stands in angle brackets is filled in later. */
const MEANINGFUL = [
  '"<iss>"',
  '"<r>"',
  '["<r>"]',
  '["x","<r>"]',
  '["<r>",7]',
  '[["<r>"]]',
  '"<r>/"',
  '" <r>"',
  '"<kid>"',
  '"ES256"',
  '"none"',
  '"HS256"',
  '"RS256"',
  '"at+jwt"',
  '"AT+JWT"',
  '"JWT"',
  '"jwt"',
  '"Bearer"',
  '"access"',
  '"id"',
  '"logout+jwt"',
  '["crit"]',
  '"a b"',
  '"a"',
  '" a  b "',
  '["a"]',
  '<now>',
  '<now>.5',
  '<now>e0',
  '1e999',
  '-1e999',
  '1e-999',
  '-0',
  '-1',
  '0',
  '99999999999999999999',
  '"<now>"',
  'null',
  '{}',
  '[]',
  '""',
];
const RELATIVE = [-6, -5, -4, 0, 4, 5, 6, 299, 301, 86_399, 86_405, 86_407].map(
  (offset) => `<now>${offset < 0 ? offset : `+${offset}`}`,
);

const headerName = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HEADER_NAMES) },
  { weight: 1, arbitrary: memberName },
);
const claimName = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...CLAIM_NAMES) },
  { weight: 1, arbitrary: memberName },
);
const someValue = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...MEANINGFUL) },
  { weight: 2, arbitrary: jsonValue.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

function changeOf(
  part: Change['part'],
  name: fc.Arbitrary<string>,
  value: fc.Arbitrary<string | undefined>,
): fc.Arbitrary<Change> {
  return fc.record({ part: fc.constant(part), name, value, isFirst: fc.boolean() });
}

const change = fc.oneof(
  { weight: 3, arbitrary: changeOf('header', headerName, someValue) },
  { weight: 5, arbitrary: changeOf('claims', claimName, someValue) },
  { weight: 1, arbitrary: changeOf('claims', fc.constantFrom('exp', 'nbf', 'iat'), fc.constantFrom(...RELATIVE)) },
);
const changes = fc.array(change, { maxLength: 4 });

interface Bench {
  readonly server: NotesServer;
  readonly circumstances: Circumstances;
}

/** So many tokens name keys that nobody has: the clock moves before each of them, so that the server may look for every key. */
async function openBench(platform: Platform): Promise<Bench> {
  const server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
  // Whole seconds, so that both opinions see the same moment.
  server.clock.now = Math.floor(server.clock.now / 1000) * 1000;
  const { key, issuer } = server.issuer;
  return {
    server,
    circumstances: {
      issuer,
      resource: server.resource,
      kid: key.kid,
      alg: key.alg,
      get now() {
        return server.clock.now / 1000;
      },
    },
  };
}

/** JSON text of a good token with the changes made, for each of its parts. */
function written(
  all: readonly Change[],
  { issuer, resource, kid, alg, now }: Circumstances,
): Record<Change['part'], string> {
  const good = {
    header: { alg, typ: 'at+jwt', kid },
    claims: { iss: issuer, sub: 'alice', client_id: 'c', aud: resource, iat: now, exp: now + 300 },
  };
  const fill = (text: string): string =>
    text
      .replaceAll('<iss>', issuer)
      .replaceAll('<r>', resource)
      .replaceAll('<kid>', kid)
      .replaceAll(/<now>([+-]\d+)/g, (_match, offset: string) => String(now + Number(offset)))
      .replaceAll('<now>', String(now));
  const textOf = (part: Change['part']): string => {
    let members = Object.entries(good[part]).map(([name, value]) => [name, JSON.stringify(value)] as const);
    for (const { name, value, isFirst, ...one } of all) {
      if (one.part !== part) continue;
      if (value === undefined) members = members.filter(([other]) => other !== name);
      else members = isFirst ? [[name, fill(value)], ...members] : [...members, [name, fill(value)]];
    }
    return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  };
  return { header: textOf('header'), claims: textOf('claims') };
}

function mint({ server }: Bench, { header, claims }: Record<Change['part'], string>): Promise<string> {
  return server.mint({}, { rawHeader: header, payload: claims });
}

/** Which rules the token breaks, as it will be read. */
function opinion(
  text: Record<Change['part'], string>,
  { circumstances }: Bench,
): { broken: string[]; claims: Members } {
  const claims = JSON.parse(text.claims) as Members;
  return { broken: brokenRules(JSON.parse(text.header) as Members, claims, circumstances), claims };
}

/** What the module says about a token: the caller, or undefined. Anything but a refusal as invalid is thrown. */
async function verify({ server }: Bench, token: string): Promise<McpAuthInfo | undefined> {
  try {
    return await server.app.get(McpAuthService).verify(token);
  } catch (error) {
    if (error instanceof McpAuthError && error.code === 'invalid_token') return undefined;
    throw error;
  }
}

describe('any token', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench('express');
  });
  afterAll(() => bench.server.close());

  it('that is well signed is accepted exactly if the rules say so, with the scopes they say', async () => {
    const seen = { accepted: 0, refused: 0 };
    await alwaysAsync(2_000, changes, async (all) => {
      allowKeySearch(bench.server);
      const text = written(all, bench.circumstances);
      const { broken, claims } = opinion(text, bench);
      const caller = await verify(bench, await mint(bench, text));
      expect({ text, broken, isAccepted: caller !== undefined }).toEqual({
        text,
        broken,
        isAccepted: broken.length === 0,
      });
      if (caller) {
        expect(caller.scopes).toEqual(grantedScopes(claims));
        expect(caller.issuer).toBe(bench.circumstances.issuer);
        expect(caller.subject).toBe(statedClaims(claims)['sub']);
        expect(caller.expiresAt).toBe(claims['exp']);
      }
      seen[caller ? 'accepted' : 'refused']++;
    });
    // Neither half of the rules goes untested.
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(250);
  });

  it('whose header and payload are any text at all is refused, whoever signed it', async () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.constantFrom('{}', '[]', 'null', '{"alg":"ES256"}'),
    );
    await alwaysAsync(500, fc.tuple(text, text), async ([header, claims]) => {
      expect(await verify(bench, await mint(bench, { header, claims }))).toBeUndefined();
    });
  });

  it('that is any string at all is refused', async () => {
    const parts = fc.array(
      fc.oneof(
        fc.base64String().map((one) => Buffer.from(one, 'base64').toString('base64url')),
        fc.string({ unit: 'binary' }),
      ),
      { maxLength: 6 },
    );
    await alwaysAsync(
      1_000,
      fc.oneof(
        parts.map((all) => all.join('.')),
        fc.string({ unit: 'binary' }),
      ),
      async (token) => {
        expect(await verify(bench, token)).toBeUndefined();
      },
    );
  });

  it('that was good before it was changed anywhere is refused', async () => {
    const mintGood = (): Promise<string[]> =>
      Promise.all([
        bench.server.mint(),
        bench.server.mint({ sub: 'bob', scope: 'a' }),
        bench.server.mint({}, { header: { typ: 'JWT' } }),
      ]);
    for (const token of await mintGood()) expect(await verify(bench, token)).toBeDefined();
    const which = fc.constantFrom(0, 1, 2);
    const mutations = fc.tuple(which, which, fc.array(mutation, { minLength: 1, maxLength: 3 }));
    await alwaysAsync(2_000, mutations, async ([one, other, all]) => {
      allowKeySearch(bench.server);
      // New ones each time, so that none is refused for its age.
      const tokens = await mintGood();
      const mutated = all.reduce((token, mutate) => mutate(token, tokens[other] as string), tokens[one] as string);
      if (tokens.includes(mutated)) return;
      expect([mutated, await verify(bench, mutated)]).toEqual([mutated, undefined]);
    });
  });
});

const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~+/ \n\0\u00e9';
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const at = (token: string, where: number): number => Math.floor(where * token.length);
/** The places between characters, of which there is one more. */
const between = (token: string, where: number): number => Math.floor(where * (token.length + 1));

/** A way to change a token, given another good one. */
const mutation: fc.Arbitrary<(token: string, other: string) => string> = fc.oneof(
  // A bit of the text.
  fc.tuple(place, fc.nat(6)).map(([where, bit]) => (token: string) => {
    const index = at(token, where);
    return token.slice(0, index) + String.fromCharCode(token.charCodeAt(index) ^ (1 << bit)) + token.slice(index + 1);
  }),
  // A bit of what one of its parts encodes.
  fc.tuple(fc.nat(2), place, fc.nat(7)).map(([index, where, bit]) => (token: string) => {
    const parts = token.split('.');
    const bytes = Buffer.from(parts[index] ?? '', 'base64url');
    if (bytes.length > 0) bytes[Math.floor(where * bytes.length)]! ^= 1 << bit;
    parts[index] = bytes.toString('base64url');
    return parts.join('.');
  }),
  fc.tuple(place, fc.constantFrom(...CHARACTERS)).map(
    ([where, one]) =>
      (token: string) =>
        token.slice(0, between(token, where)) + one + token.slice(between(token, where)),
  ),
  fc.tuple(place, fc.constantFrom(...CHARACTERS)).map(
    ([where, one]) =>
      (token: string) =>
        token.slice(0, at(token, where)) + one + token.slice(at(token, where) + 1),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 40 })).map(
    ([where, length]) =>
      (token: string) =>
        token.slice(0, at(token, where)) + token.slice(at(token, where) + length),
  ),
  place.map((where) => (token: string) => token.slice(0, at(token, where))),
  // The beginning of one, the end of another.
  place.map(
    (where) => (token: string, other: string) => token.slice(0, at(token, where)) + other.slice(at(token, where)),
  ),
  // Bits that belong to no byte, and characters that some decoders skip, at the end of a part.
  fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 15 })).map(
    ([index, bits]) =>
      (token: string) =>
        withPart(
          token,
          index as 0 | 1 | 2,
          (part) => part.slice(0, -1) + (CHARACTERS[CHARACTERS.indexOf(part.at(-1) ?? '') ^ bits] ?? ''),
        ),
  ),
  fc.tuple(fc.nat(2), fc.constantFrom('=', '==', '\n', '\r\n', ' ', '\t', '\0', '~', '\u00a0', '\ufeff')).map(
    ([index, tail]) =>
      (token: string) =>
        withPart(token, index as 0 | 1 | 2, (part) => part + tail),
  ),
  // Parts of one among those of another.
  fc.tuple(fc.nat(2), fc.nat(2)).map(([to, from]) => (token: string, other: string) => {
    const parts = token.split('.');
    parts[to] = other.split('.')[from] ?? '';
    return parts.join('.');
  }),
  fc.constantFrom<(token: string, other: string) => string>(
    (token) => token.toLowerCase(),
    (token) => token.toUpperCase(),
    (token) => [...token].toReversed().join(''),
    (token) => `${token}.`,
    (token) => `.${token}`,
    (token) => `${token}=`,
    (token) => token + token,
    (token) => token.replaceAll('-', '+').replaceAll('_', '/'),
    (token, other) => `${token}.${other}`,
    (token, other) => `${token} ${other}`,
    (token) => encodeURIComponent(token),
  ),
);

describe.each(PLATFORMS)('any token over HTTP, on %s', (platform) => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench(platform);
  });
  afterAll(() => bench.server.close());
  beforeEach(() => resetRecorded(bench.server));

  it('that is well signed is answered with 200 or 401, as the rules say', async () => {
    const seen = { accepted: 0, refused: 0 };
    await alwaysAsync(150, changes, async (all) => {
      const { server } = bench;
      resetRecorded(server);
      allowKeySearch(server);
      const text = written(all, bench.circumstances);
      const token = await mint(bench, text);
      const response = await server.callTool('ping', token);
      const isGood = opinion(text, bench).broken.length === 0;
      if (isGood) await expectServed(server, response, 'ping');
      else await expectRefusal(server, response, { status: 401, error: 'invalid_token', token });
      seen[isGood ? 'accepted' : 'refused']++;
    });
    // Neither half of the rules goes untested.
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(30);
  });
});
