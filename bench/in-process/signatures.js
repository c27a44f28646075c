/**
 * Measures the verification of a new token: this library without its cache beside `jwtVerify` of jose, with the same keys and
 * with the same rules where jose has them. Also measures a large key set.
 */
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';
import { generateTestKey, TestIssuer } from '../../dist/testing/index.js';
import { interleaved, median, ratioOf } from '../measure.js';
import { RESOURCE } from '../resource.js';
import { verifierWith } from './verifier.js';

/** @param {{ quick: boolean }} options */
export async function signatures({ quick }) {
  const rows = [];
  for (const alg of ['ES256', 'RS256']) {
    const issuer = await TestIssuer.start({ alg, audience: RESOURCE });
    const rounds = { rounds: quick ? 10 : 40, calls: 200 };
    const times = await interleaved(await subjectsFor(issuer, alg), rounds);
    for (const keys of ['given', 'fetched']) {
      const [ours, jose] = [times[`ours, ${keys}`], times[`jose, ${keys}`]];
      rows.push({ alg, keys, ours: median(ours), jose: median(jose), ratio: ratioOf(ours, jose) });
    }
    await issuer.close();
  }
  return rows;
}

async function subjectsFor(issuer, alg) {
  const token = await issuer.mint({ scope: 'notes:read' });
  const rules = { issuer: issuer.issuer, audience: RESOURCE, algorithms: [alg], requiredClaims: ['exp'] };
  const jwks = { keys: [issuer.key.publicJwk] };
  const local = createLocalJWKSet(jwks);
  const remote = createRemoteJWKSet(new URL(issuer.jwksUri));
  const given = verifierWith({ authorizationServers: [{ issuer: issuer.issuer, jwks }], cache: false });
  const fetched = verifierWith({ authorizationServers: [issuer.issuer], cache: false });
  return {
    'jose, given': { run: () => jwtVerify(token, local, rules) },
    'ours, given': { run: () => given.verify(token) },
    'jose, fetched': { run: () => jwtVerify(token, remote, rules) },
    'ours, fetched': { run: () => fetched.verify(token) },
  };
}

/** @param {{ quick: boolean }} options */
export async function keySets({ quick }) {
  const issuer = await TestIssuer.start({ alg: 'ES256', audience: RESOURCE });
  const token = await issuer.mint();
  const others = await Promise.all(Array.from({ length: 99 }, () => generateTestKey({ alg: 'ES256' })));
  const own = issuer.key.publicJwk;
  const subjectWith = (keys) => {
    const verifier = verifierWith({ authorizationServers: [{ issuer: issuer.issuer, jwks: { keys } }], cache: false });
    return { run: () => verifier.verify(token) };
  };
  const subjects = { 1: subjectWith([own]), 100: subjectWith([...others.map(({ publicJwk }) => publicJwk), own]) };
  const times = await interleaved(subjects, { rounds: quick ? 10 : 40, calls: 200 });
  await issuer.close();
  return [1, 100].map((keys) => ({ keys, micros: median(times[keys]), ratio: ratioOf(times[keys], times[1]) }));
}
