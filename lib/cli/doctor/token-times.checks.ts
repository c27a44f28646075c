import { ownMember } from '../../core/record.js';
import { checkTimes, checkTimesPresent } from '../../token/claims.js';
import type { DecodedJwt } from '../../token/decoded-jwt.js';
import { memberText, ok, problem, notVerifiable, type Check } from './check.js';
import { REFUSED, TIMES, refusalOf, type TokenContext } from './token-context.js';

export function expiry({ claims }: DecodedJwt, { now }: TokenContext): Check {
  const id = 'RFC9068-4-e';
  const seen = timeText(claims, 'exp', now);
  const reason = refusalOf(() =>
    checkTimes({ exp: ownMember(claims, 'exp') }, now / 1000, { ...TIMES, maxLifetimeSeconds: Infinity }),
  );
  if (reason === undefined) return ok(id, seen);
  return problem('error', id, {
    seen,
    consequence: REFUSED,
    remedy: reason === 'expired' ? 'get a new token' : 'have the server issue tokens that expire',
  });
}

export function notBefore({ claims }: DecodedJwt, { now }: TokenContext): Check {
  return notInFuture('RFC7519-4.1.5-a', 'nbf', claims, now);
}

export function issuedAt({ claims }: DecodedJwt, { now }: TokenContext): Check {
  return notInFuture('RFC9068-2.2-a', 'iat', claims, now);
}

function notInFuture(id: string, name: 'nbf' | 'iat', claims: DecodedJwt['claims'], now: number): Check {
  const value = ownMember(claims, name);
  if (value === undefined) return ok(id, `it has no ${name}`);
  const seen = timeText(claims, name, now);
  const reason = refusalOf(() => void checkTimesPresent({ [name]: value }, now / 1000, TIMES));
  if (reason === undefined) return ok(id, seen);
  return problem('error', id, {
    seen,
    consequence: REFUSED,
    remedy: 'set the clock of the authorization server, or of this machine, by NTP',
  });
}

const HOUR = 3_600;

export function lifetime({ claims }: DecodedJwt, { now }: TokenContext): Check {
  const [exp, iat] = [ownMember(claims, 'exp'), ownMember(claims, 'iat')];
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return notVerifiable('AS-13', 'it has no usable exp');
  const seconds = exp - (typeof iat === 'number' ? iat : now / 1000);
  const seen = `it lives ${duration(seconds)}`;
  const consequence = 'an attacker can use a stolen token that long, even after access was withdrawn';
  const remedy = 'have access tokens live minutes, and clients refresh them';
  if (seconds > 24 * HOUR)
    return problem('error', 'AS-13', { seen, consequence: `${consequence}; it is refused here`, remedy });
  return seconds > HOUR ? problem('warning', 'AS-13', { seen, consequence, remedy }) : ok('AS-13', seen);
}

function timeText(claims: DecodedJwt['claims'], name: string, now: number): string {
  const value = ownMember(claims, name);
  if (typeof value !== 'number' || !Number.isFinite(value)) return memberText(claims, name);
  const seconds = value - now / 1000;
  return seconds < 0 ? `${name} is ${duration(-seconds)} ago` : `${name} is in ${duration(seconds)}`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * HOUR ? `${Math.round(seconds / HOUR)} h` : `${Math.round(seconds / HOUR / 24)} days`;
}
