import { describe, expect, it } from '@jest/globals';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { DpopOptions } from 'nestjs-mcp-auth';
import { DpopScenario, type ScenarioCheck, type ScenarioSettings } from '../support/dpop-scenario.js';
import { LoopbackServer } from '../support/loopback-server.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';

/** Every check that the scenario has, in its words. */
const CHECKS = [
  'AcceptsValidProof',
  'NonceFlow',
  'RejectsAlgNone',
  'RejectsAlgSymmetric',
  'RejectsAthAbsent',
  'RejectsBearerScheme',
  'RejectsCnfJktMismatch',
  'RejectsDuplicateDpopHeader',
  'RejectsFutureIat',
  'RejectsHtmMismatch',
  'RejectsHtuMismatch',
  'RejectsMalformedProof',
  'RejectsMissingHtm',
  'RejectsMissingHtu',
  'RejectsMissingIat',
  'RejectsMissingJti',
  'RejectsMissingJwk',
  'RejectsPrivateKeyInJwk',
  'RejectsStaleIat',
  'RejectsTamperedSignature',
  'RejectsWith401Challenge',
  'RejectsWrongAth',
  'RejectsWrongAudience',
  'RejectsWrongTyp',
];

const NONCE = { secret: 'a secret that nobody can guess, of this test' };

const SERVERS: readonly [string, DpopOptions][] = [
  ['accepts DPoP', {}],
  ['requires DPoP', { mode: 'required' }],
  ['asks for nonces', { mode: 'required', nonce: NONCE }],
];

async function check(
  server: NotesServer,
  specVersion: ScenarioSettings['specVersion'],
): Promise<readonly ScenarioCheck[]> {
  const { resource: serverUrl, issuer, clock } = server;
  return DpopScenario.run({ serverUrl, issuer, specVersion, serverTime: () => clock.now / 1000 });
}

/** The names of the checks by their status. */
function byStatus(checks: readonly ScenarioCheck[], status: ScenarioCheck['status']): string[] {
  return checks
    .filter((one) => one.status === status)
    .map(({ name }) => name)
    .toSorted();
}

describe.each(PLATFORMS)('auth/dpop-server-validation, on %s', (platform) => {
  describe.each(['2025-11-25', '2026-07-28'] as const)('%s', (specVersion) => {
    it.each(SERVERS)('CONF-DPOP: passes with a server that %s', async (_what, dpop) => {
      const server = await startNotesServer(platform, { issuer: { alg: 'ES256' }, options: { dpop } });
      try {
        const checks = await check(server, specVersion);
        expect(checks.filter(({ status }) => !['SUCCESS', 'SKIPPED'].includes(status))).toEqual([]);
        expect(byStatus(checks, 'SKIPPED')).toEqual(dpop.nonce ? [] : ['NonceFlow']);
        expect(checks.map(({ name }) => name).toSorted()).toEqual(CHECKS);
      } finally {
        await server.close();
      }
    });
  });

  it('CONF-DPOP: shows nothing of a server that accepts no DPoP', async () => {
    const server = await startNotesServer(platform, { issuer: { alg: 'ES256' } });
    const checks = await check(server, '2025-11-25');
    expect(byStatus(checks, 'FAILURE')).toEqual(['AcceptsValidProof']);
    expect(byStatus(checks, 'SUCCESS')).toEqual([]);
    await server.close();
  });
});

it('CONF-DPOP: fails a server that accepts everybody', async () => {
  const server = await LoopbackServer.start(
    (request, response) => void request.resume().on('end', () => response.end('{}')),
  );
  const issuer = await TestIssuer.start({ alg: 'ES256' });
  const serverUrl = `${server.origin}/mcp`;
  const checks = await DpopScenario.run({
    serverUrl,
    issuer,
    specVersion: '2025-11-25',
    serverTime: () => Date.now() / 1000,
  });
  expect(byStatus(checks, 'SUCCESS')).toEqual(['AcceptsValidProof']);
  expect(byStatus(checks, 'SKIPPED')).toEqual(['NonceFlow']);
  expect(byStatus(checks, 'FAILURE')).toHaveLength(CHECKS.length - 2);
  await issuer.close();
  await server.close();
});
