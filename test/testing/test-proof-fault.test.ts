import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TEST_PROOF_FAULTS, TestDpopKey, type TestProofFault } from 'nestjs-mcp-auth/testing';
import { McpAuthService, type McpAuthReason } from 'nestjs-mcp-auth';
import { startDpopServer, type DpopServer } from '../support/dpop-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** Why the library refuses a proof with each fault, so that a fault is nothing but what its name says. */
const REASONS: Readonly<Record<TestProofFault, McpAuthReason>> = {
  'not-a-jwt': 'proof_malformed',
  'two-proofs': 'proof_repeated',
  'wrong-type': 'proof_malformed',
  unsigned: 'proof_malformed',
  'shared-secret': 'proof_algorithm_rejected',
  'changed-signature': 'proof_signature_invalid',
  'without-key': 'proof_key_rejected',
  'private-key': 'proof_key_rejected',
  'other-key': 'proof_of_another_key',
  'without-jti': 'proof_malformed',
  'without-htm': 'proof_malformed',
  'without-htu': 'proof_malformed',
  'without-iat': 'proof_malformed',
  'without-ath': 'proof_malformed',
  'other-method': 'proof_of_another_request',
  'other-url': 'proof_of_another_request',
  'other-token': 'proof_of_another_token',
  stale: 'proof_out_of_time',
  future: 'proof_out_of_time',
};

describe.each(PLATFORMS)('TestDpopKey on %s', (platform) => {
  let dpop: DpopServer;
  const reasons: string[] = [];

  beforeAll(async () => {
    dpop = await startDpopServer(platform);
    dpop.server.app.get(McpAuthService).events$.subscribe((event) => {
      if (event.type === 'refused') reasons.push(event.reason);
    });
  });
  afterAll(() => dpop.close());

  it.each(TEST_PROOF_FAULTS)('SEP1932-01: makes a proof with the fault %s, and no other', async (fault) => {
    reasons.splice(0);
    const response = await dpop.callWith({ fault });
    expect([response.status, reasons]).toEqual([401, [REASONS[fault]]]);
  });

  it.each(['ES384', 'PS256', 'EdDSA'] as const)('SEP1932-01: makes good and bad proofs with %s', async (alg) => {
    const by = await TestDpopKey.generate({ alg });
    const token = await dpop.mintBound({ cnf: by.confirmation });
    const send = (fault?: TestProofFault): Promise<Response> =>
      dpop.call({ authorization: `DPoP ${token}`, dpop: dpop.proof(token, { by, ...(fault && { fault }) }) });
    expect((await send()).status).toBe(200);
    for (const fault of TEST_PROOF_FAULTS) expect([fault, (await send(fault)).status]).toEqual([fault, 401]);
  });

  it('makes the header fields of a request', async () => {
    const { key, server } = dpop;
    const token = await dpop.mintBound();
    const claims = { iat: Math.floor(server.clock.now / 1000) };
    const request = { method: 'POST', url: `${server.resource}?page=2#top`, token, claims };
    expect((await dpop.call({ ...key.headers(request) })).status).toBe(200);
    expect((await dpop.call({ ...key.headers({ ...request, fault: 'other-token' }) })).status).toBe(401);
  });
});
