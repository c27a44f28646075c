import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { DpopNonces } from '../../lib/proof/dpop-nonces.js';
import { ProofQuota } from '../../lib/proof/proof-quota.js';

// The rules about nonces and numbers of proofs at their limits, without a server. test/conformance has those of the
// specifications, over HTTP.

const MINUTE = 60_000;
const RESOURCE = 'https://mcp.example/mcp';

let clock: number;
beforeEach(() => {
  clock = 1_000 * MINUTE;
});
const now = (): number => clock;

describe('DpopNonces', () => {
  const noncesOf = (secrets: [string, ...string[]], resource = RESOURCE): DpopNonces =>
    new DpopNonces(secrets, resource, 120, now);

  /** A nonce with a code of any message, made as the library makes it. */
  const nonceWith = (period: number, message: string, secret = 'secret'): string => {
    const time = Buffer.alloc(4);
    time.writeUInt32BE(period);
    const code = createHmac('sha256', secret).update(message).update(time).digest().subarray(0, 16);
    return Buffer.concat([time, code]).toString('base64url');
  };
  const MESSAGE = `nestjs-mcp-auth dpop nonce\n${RESOURCE}\n`;

  it('RFC9449-9-a: gives out one nonce a minute, which replicas of any release recognise', () => {
    const nonces = noncesOf(['secret']);
    const first = nonces.current;
    expect([first, nonces.isFresh(first)]).toEqual([nonceWith(1_000, MESSAGE), true]);
    clock += MINUTE - 1;
    expect(nonces.current).toBe(first);
    clock += 1;
    expect(nonces.current).toBe(nonceWith(1_001, MESSAGE));
  });

  it('RFC9449-9-a: recognises a nonce until its lifetime is over, and one of a clock that is a minute ahead', () => {
    const nonces = noncesOf(['secret']);
    const fresh = [-4, -3, -2, -1, 0, 1, 2].filter((age) => nonces.isFresh(nonceWith(1_000 - age, MESSAGE)));
    expect(fresh).toEqual([-1, 0, 1, 2]);
    expect(nonces.isFresh(nonceWith(997, MESSAGE))).toBe(false);
  });

  it('RFC9449-9-a: makes nonces with the first secret, and recognises those of each', () => {
    const nonces = noncesOf(['next', 'secret']);
    expect(nonces.current).toBe(nonceWith(1_000, MESSAGE, 'next'));
    expect(nonces.isFresh(nonceWith(999, MESSAGE, 'secret'))).toBe(true);
    expect(nonces.isFresh(nonceWith(999, MESSAGE, 'next'))).toBe(true);
    expect(nonces.isFresh(nonceWith(999, MESSAGE, 'third'))).toBe(false);
  });

  it('RFC9449-11.3-a: recognises no nonce of another resource, no other spelling, and nothing else', () => {
    const nonces = noncesOf(['secret']);
    const good = nonceWith(999, MESSAGE);
    expect([good.length, nonces.isFresh(good)]).toEqual([27, true]);
    const last = good.at(-1) as string;
    const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // The last character has two bits that say nothing.
    const sameBytes = good.slice(0, -1) + ALPHABET[ALPHABET.indexOf(last) ^ 1];
    expect(Buffer.from(sameBytes, 'base64url')).toEqual(Buffer.from(good, 'base64url'));
    const others = [
      noncesOf(['secret'], 'https://other.example').current,
      nonceWith(999, ''),
      sameBytes,
      `${good}=`,
      `${good}AAAA`,
      good.slice(0, -4),
      good.slice(0, -1),
      ` ${good.slice(1)}`,
      '+'.repeat(27),
      'é'.repeat(27),
      '',
    ];
    expect(others.filter((one) => nonces.isFresh(one))).toEqual([]);
  });
});

describe('ProofQuota', () => {
  const LIMIT = 3;
  /** The seconds to wait; undefined for a key that may send a proof. */
  const waitOf = (quota: ProofQuota, key: string): number | undefined => {
    try {
      quota.check(key);
      return undefined;
    } catch (error) {
      const { code, reason, retryAfterSeconds } = error as Record<string, unknown>;
      expect([code, reason]).toEqual(['too_many_requests', 'too_many_proofs']);
      return retryAfterSeconds as number;
    }
  };

  it('RFC6585-4-a: refuses a key from its limit on, until the oldest proofs are forgotten', () => {
    const quota = new ProofQuota(LIMIT, 100, now);
    quota.add('a', clock + 1);
    quota.add('a', clock + 2 * MINUTE);
    quota.add('b', clock);
    expect(waitOf(quota, 'a')).toBeUndefined();
    quota.add('a', clock + 2 * MINUTE);
    expect([waitOf(quota, 'a'), waitOf(quota, 'b')]).toEqual([61, undefined]);
    clock += MINUTE;
    expect(waitOf(quota, 'a')).toBe(1);
    clock += 1;
    expect(waitOf(quota, 'a')).toBeUndefined();
    quota.add('a', clock + MINUTE);
    expect(waitOf(quota, 'a')).toBe(60);
  });

  it('RFC6585-4-a: names the wait for the oldest, in whichever order they were added', () => {
    const quota = new ProofQuota(2, 100, now);
    quota.add('a', clock + 3 * MINUTE);
    quota.add('a', clock + MINUTE);
    expect(waitOf(quota, 'a')).toBe(61);
    quota.add('b', clock + MINUTE);
    quota.add('b', clock + 3 * MINUTE);
    expect(waitOf(quota, 'b')).toBe(61);
  });

  it('LIB-11: keeps no more entries than it may, forgets old ones for new ones, and counts the others no more', () => {
    const quota = new ProofQuota(1, 2, now);
    quota.add('a', clock + MINUTE);
    quota.add('b', clock + 2 * MINUTE);
    quota.add('c', clock + 2 * MINUTE);
    expect(['a', 'b', 'c'].map((key) => waitOf(quota, key))).toEqual([61, 121, undefined]);
    // In the millisecond of its end, it still counts.
    clock += MINUTE;
    quota.add('d', clock + MINUTE);
    expect(waitOf(quota, 'd')).toBeUndefined();
    clock += 1;
    quota.add('d', clock + MINUTE - 1);
    expect(['a', 'b', 'd'].map((key) => waitOf(quota, key))).toEqual([undefined, 60, 60]);
    quota.add('e', clock);
    expect(waitOf(quota, 'e')).toBeUndefined();
  });

  it('LIB-11: counts a further proof of a key as no further entry', () => {
    const quota = new ProofQuota(5, 2, now);
    for (let count = 0; count < 5; count += 1) quota.add('a', clock + MINUTE);
    for (let count = 0; count < 5; count += 1) quota.add('b', clock + MINUTE);
    expect([waitOf(quota, 'a'), waitOf(quota, 'b')]).toEqual([61, 61]);
  });

  it('LIB-11: forgets entries when a generation begins', () => {
    const quota = new ProofQuota(1, 2, now);
    quota.add('a', clock + MINUTE);
    quota.add('b', clock + MINUTE);
    clock += MINUTE + 1;
    quota.add('c', clock + 3 * MINUTE);
    quota.add('d', clock + 3 * MINUTE);
    quota.add('e', clock + 3 * MINUTE);
    expect(['a', 'c', 'd', 'e'].map((key) => waitOf(quota, key) !== undefined)).toEqual([false, true, true, false]);
  });
});
