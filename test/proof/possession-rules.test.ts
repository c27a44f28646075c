import { hash } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ReplayStore } from 'nestjs-mcp-auth';
import { TestDpopKey, type TestProofOptions } from 'nestjs-mcp-auth/testing';
import { DpopNonces } from '../../lib/proof/dpop-nonces.js';
import { ProofOfPossession, type BoundCredentials } from '../../lib/proof/proof-of-possession.js';

// What is kept of proofs between requests, without a server. test/conformance has the rules of the specifications, over HTTP.

const RESOURCE = 'https://mcp.example/mcp';
const TOKEN = 'a.b.c';
const NOW = 1_000_000;

let key: TestDpopKey;
beforeAll(async () => {
  key = await TestDpopKey.generate();
});

/** Seconds since the epoch. */
let now: number;
/** What the stores of the application reported. */
let reported: string[];
beforeEach(() => {
  now = NOW;
  reported = [];
});

/** A resource with these options of DPoP. */
const resourceWith = (dpop: object, id = 'notes', path = '/mcp'): object => ({
  id,
  identifier: { value: `https://mcp.example${path}`, origin: 'https://mcp.example', path },
  dpop: { mode: 'accepted', algorithms: ['ES256'], proofSeconds: 60, maxProofs: 1_000, maxProofsPerKey: 100, ...dpop },
});

const possessionOf = (...resources: object[]): ProofOfPossession =>
  new ProofOfPossession({ resources } as never, { now: () => now * 1_000 } as never, {
    storeAnswered: (option: string) => reported.push(`${option} answered`),
    storeFailed: (option: string) => reported.push(`${option} failed`),
  });

const proof = ({ claims, ...changes }: Partial<TestProofOptions> = {}): string =>
  key.proof({ method: 'POST', url: RESOURCE, token: TOKEN, claims: { iat: NOW, ...claims }, ...changes });

const requestWith = (dpop: string | string[] | undefined): BoundCredentials['request'] => ({
  headers: dpop === undefined ? {} : { dpop },
  rawHeaders: [],
  method: 'POST',
  url: '/mcp',
});

const credentials = (resource: object, request: BoundCredentials['request'], changes: object = {}): BoundCredentials =>
  ({
    token: TOKEN,
    verified: { claims: { cnf: key.confirmation } },
    resource,
    source: request,
    request,
    certificateThumbprint: undefined,
    ...changes,
  }) as never;

/** The reason of a refusal; undefined if there is none. */
async function reasonOf(check: () => unknown): Promise<unknown> {
  try {
    await check();
    return undefined;
  } catch (error) {
    const { code, reason } = error as { code: string; reason: string };
    return `${code} ${reason}`;
  }
}

describe('the holder of the key of a token', () => {
  it('RFC9449-7.1-a: is known by its key, and by its certificate, if any', async () => {
    const resource = resourceWith({});
    const possession = possessionOf(resource);
    const checked = await possession.checkDpop(credentials(resource, requestWith(proof())));
    expect(checked).toEqual({ method: 'dpop', keyThumbprint: key.thumbprint, certificateThumbprint: undefined });
    expect(Object.isFrozen(checked)).toBe(true);
    const withBoth = credentials(resource, requestWith(proof()), { certificateThumbprint: 'x' });
    expect(await possession.checkDpop(withBoth)).toMatchObject({ certificateThumbprint: 'x' });
  });

  it.each<[string | string[] | undefined, string]>([
    [undefined, 'invalid_dpop_proof proof_missing'],
    [[], 'invalid_dpop_proof proof_missing'],
    [['x', 'y'], 'invalid_dpop_proof proof_repeated'],
    ['x,y', 'invalid_dpop_proof proof_repeated'],
    ['x', 'invalid_dpop_proof proof_malformed'],
    ['', 'invalid_dpop_proof proof_malformed'],
  ])('RFC9449-4.3-1: sends one proof, and not %j', async (field, expected) => {
    const resource = resourceWith({});
    const check = possessionOf(resource).checkDpop(credentials(resource, requestWith(field)));
    expect(await reasonOf(() => check)).toBe(expected);
  });

  it('RFC9449-6-a: has a token that is bound to it', async () => {
    const resource = resourceWith({});
    const unbound = credentials(resource, requestWith(proof()), { verified: { claims: {} } });
    expect(await reasonOf(() => possessionOf(resource).checkDpop(unbound))).toBe('invalid_token unbound_token');
  });

  it('RFC9449-7.2-a: sends it as a Bearer token only where nothing is bound, and nothing has to be', async () => {
    const [off, accepted, required] = [{}, resourceWith({}), resourceWith({ mode: 'required' })];
    const possession = possessionOf(off, accepted, required);
    const bearerWith = (cnf: unknown, resource: object): Promise<unknown> =>
      reasonOf(() => possession.checkBearer({ claims: { cnf } } as never, resource as never));
    expect([await bearerWith(undefined, accepted), await bearerWith(key.confirmation, off)]).toEqual([
      undefined,
      undefined,
    ]);
    for (const resource of [accepted, required])
      expect(await bearerWith(key.confirmation, resource)).toBe('invalid_token bound_token_without_proof');
    expect(await bearerWith(undefined, required)).toBe('invalid_token unbound_token');
  });
});

describe('a proof', () => {
  it('RFC9449-11.1-a: is counted once for a request, whoever checks it, and not for another', async () => {
    const resource = resourceWith({});
    const possession = possessionOf(resource);
    const request = requestWith(proof());
    const checks = [request, request, { ...request, rawHeaders: undefined, raw: request }].map((one) =>
      possession.checkDpop(credentials(resource, one as never)),
    );
    const [first, ...others] = await Promise.all(checks);
    expect(others).toEqual([first, first]);
    expect(others.every((one) => one === first)).toBe(true);
    const again = credentials(resource, { ...request });
    expect(await reasonOf(() => possession.checkDpop(again))).toBe('invalid_dpop_proof proof_replayed');
  });

  it('RFC9449-11.1-a: is checked again for another token, proof, key or resource of the same request', async () => {
    const [resource, other] = [resourceWith({}), resourceWith({}, 'billing')];
    const afterFirst = async (of: object, change: object): Promise<unknown> => {
      const possession = possessionOf(resource, other);
      const request = requestWith(proof());
      const first = await possession.checkDpop(credentials(resource, request));
      return reasonOf(async () => expect(await possession.checkDpop(credentials(of, request, change))).not.toBe(first));
    };
    expect(await afterFirst(resource, { token: 'x.y.z' })).toBe('invalid_dpop_proof proof_of_another_token');
    expect(await afterFirst(resource, { source: requestWith('x') })).toBe('invalid_dpop_proof proof_malformed');
    const ofOther = { verified: { claims: { cnf: { jkt: 'x' } } } };
    expect(await afterFirst(resource, ofOther)).toBe('invalid_token proof_of_another_key');
    expect(await afterFirst(other, {})).toBeUndefined();
  });

  it('RFC9449-11.1-a: is checked again for the same request after an outage of the store', async () => {
    const answers = [(): boolean => true, (): Promise<never> => Promise.reject(new Error('down'))];
    const resource = resourceWith({ replayStore: { insertOnce: () => answers.pop()?.() ?? false } });
    const possession = possessionOf(resource);
    const sent = credentials(resource, requestWith(proof()));
    const reasons: unknown[] = [];
    for (let count = 0; count < 3; count += 1) reasons.push(await reasonOf(() => possession.checkDpop(sent)));
    expect(reasons).toEqual(['temporarily_unavailable replay_undecided', undefined, undefined]);
  });

  it('RFC6585-4-a: is checked again for the same request when its key may send one again', async () => {
    const resource = resourceWith({ maxProofsPerKey: 1 });
    const possession = possessionOf(resource);
    const old = requestWith(proof({ claims: { iat: NOW - 60 } }));
    await possession.checkDpop(credentials(resource, old));
    const sent = credentials(resource, requestWith(proof({ claims: { iat: NOW + 60 } })));
    expect(await reasonOf(() => possession.checkDpop(sent))).toBe('too_many_requests too_many_proofs');
    now += 81;
    expect(await reasonOf(() => possession.checkDpop(sent))).toBeUndefined();
  });

  it('RFC9449-11.1-a: stays refused for the same request if it was used before, and is not asked about again', async () => {
    let count = 0;
    const resource = resourceWith({ replayStore: { insertOnce: () => ++count === 0 } });
    const possession = possessionOf(resource);
    const sent = credentials(resource, requestWith(proof()));
    for (const _again of [1, 2])
      expect(await reasonOf(() => possession.checkDpop(sent))).toBe('invalid_dpop_proof proof_replayed');
    expect(count).toBe(1);
  });

  it.each([
    ['that was accepted meanwhile', false],
    ['that failed meanwhile', true],
  ])('RFC9449-11.1-a: leaves the check of another resource alone %s, when a store fails late', async (_what, fails) => {
    let fail: (error: Error) => void = () => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const failing = { insertOnce: () => Promise.reject(new Error('down')) };
    const resource = resourceWith({ replayStore: { insertOnce: () => late } });
    const other = resourceWith(fails ? { replayStore: failing } : {}, 'billing');
    const possession = possessionOf(resource, other);
    const request = requestWith(proof());
    const undecided = 'temporarily_unavailable replay_undecided';
    const first = reasonOf(() => possession.checkDpop(credentials(resource, request)));
    const askOther = (): Promise<unknown> => reasonOf(() => possession.checkDpop(credentials(other, request)));
    expect(await askOther()).toBe(fails ? undecided : undefined);
    fail(new Error('down'));
    expect([await first, await askOther()]).toEqual([undecided, fails ? undecided : undefined]);
  });

  it('RFC9449-11.1-a: is remembered for a minute longer than it is accepted, in whole milliseconds', async () => {
    const inserted: unknown[][] = [];
    const replayStore: ReplayStore = { insertOnce: (...call) => inserted.push(call) > 0 };
    const resource = resourceWith({ replayStore });
    const claims = { iat: NOW + 0.000_3, jti: 'id' };
    await possessionOf(resource).checkDpop(credentials(resource, requestWith(proof({ claims }))));
    const name = hash('sha256', JSON.stringify([key.thumbprint, 'id', RESOURCE]), 'base64url');
    expect(inserted).toEqual([[name, (NOW + 120) * 1_000 + 1, NOW * 1_000]]);
    expect(reported).toEqual(['dpop.replayStore answered']);
  });

  it('RFC9449-11.1-a: is refused where the store knows it, and with 503 where the store fails', async () => {
    const refusals: unknown[] = [];
    const answers: ReplayStore['insertOnce'][] = [() => false, () => Promise.reject(new Error('down'))];
    for (const insertOnce of answers) {
      const resource = resourceWith({ replayStore: { insertOnce } });
      const check = possessionOf(resource).checkDpop(credentials(resource, requestWith(proof())));
      refusals.push(await check.catch((error: unknown) => error));
    }
    expect(refusals).toMatchObject([
      { code: 'invalid_dpop_proof', reason: 'proof_replayed' },
      { code: 'temporarily_unavailable', reason: 'replay_undecided', cause: { message: 'down' } },
    ]);
    expect(reported).toEqual(['dpop.replayStore answered', 'dpop.replayStore failed']);
  });

  it('RFC6585-4-a: is one of so many of its key, of which only the first uses of good ones count', async () => {
    const resource = resourceWith({ maxProofsPerKey: 2 });
    const possession = possessionOf(resource);
    const send = (text: string): Promise<unknown> =>
      reasonOf(() => possession.checkDpop(credentials(resource, requestWith(text))));
    const used = proof();
    expect([await send(used), await send(used), await send(proof({ fault: 'stale' })), await send(proof())]).toEqual([
      undefined,
      'invalid_dpop_proof proof_replayed',
      'invalid_dpop_proof proof_out_of_time',
      undefined,
    ]);
    expect(await send('x')).toBe('too_many_requests too_many_proofs');
  });

  it('RFC9449-4.3-5: has an algorithm and an age that the resource accepts', async () => {
    const resource = resourceWith({ algorithms: ['ES384'] });
    const check = possessionOf(resource).checkDpop(credentials(resource, requestWith(proof())));
    expect(await reasonOf(() => check)).toBe('invalid_dpop_proof proof_algorithm_rejected');
    const brief = resourceWith({ proofSeconds: 1 });
    const old = credentials(brief, requestWith(proof({ claims: { iat: NOW - 2 } })));
    expect(await reasonOf(() => possessionOf(brief).checkDpop(old))).toBe('invalid_dpop_proof proof_out_of_time');
  });

  it('RFC9449-9-a: has a nonce of its resource where there are nonces, and is not used up without', async () => {
    const resource = resourceWith({ nonce: { secrets: ['secret'], seconds: 300 } });
    const [without, off] = [resourceWith({}), {}];
    const possession = possessionOf(resource, without, off);
    const nonce = possession.nonceFor(resource as never);
    expect([possession.nonceFor(without as never), possession.nonceFor(off as never)]).toEqual([undefined, undefined]);
    expect(nonce).toBe(new DpopNonces(['secret'], RESOURCE, 300, () => NOW * 1_000).current);
    expect(possession.nonceFor({ ...resource, tenant: { of: resource } } as never)).toBe(nonce);
    const send = (changes: Partial<TestProofOptions>): Promise<unknown> =>
      reasonOf(() => possession.checkDpop(credentials(resource, requestWith(proof(changes)))));
    const claims = { jti: 'once' };
    expect([await send({ claims }), await send({ claims, nonce: 'x' })]).toEqual([
      'use_dpop_nonce nonce_needed',
      'use_dpop_nonce nonce_needed',
    ]);
    expect([await send({ claims, nonce: nonce as string }), await send({ claims, nonce: nonce as string })]).toEqual([
      undefined,
      'invalid_dpop_proof proof_replayed',
    ]);
    const other = resourceWith({ nonce: { secrets: ['secret'], seconds: 300 } }, 'other', '/other');
    expect(possessionOf(other).nonceFor(other as never)).not.toBe(nonce);
  });
});

describe('the store of the application', () => {
  it('LIB-11: is asked at the start whether it can be used, and its failure is reported', async () => {
    const asked: string[] = [];
    const insertOnce = (): boolean => true;
    await possessionOf(
      resourceWith({}),
      resourceWith({ replayStore: { insertOnce } }),
      resourceWith({ replayStore: { insertOnce, check: () => asked.push('good') } }),
      resourceWith({ replayStore: { insertOnce, check: () => Promise.reject(new Error('down')) } }),
    ).checkStores();
    expect([asked, reported]).toEqual([['good'], ['dpop.replayStore answered', 'dpop.replayStore failed']]);
  });
});
