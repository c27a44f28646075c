import { isRecord } from '../core/record.js';
import type { RevocationChanges, StoredRevocation } from '../shared-state/revocation-store.js';

const KEY = /^[\w-]{43}$/;
const MAX_CURSOR_LENGTH = 256;

/**
 * A checked copy of what the store of the application answered.
 *
 * @throws {TypeError} if it cannot be used: nothing in it is guessed.
 */
export function readChanges(answer: unknown): RevocationChanges {
  if (!isRecord(answer)) throw new TypeError('changes() of the store of revocations must return an object');
  const { revocations, cursor, isFromStart, hasMore } = answer;
  if (!Array.isArray(revocations)) throw new TypeError('changes().revocations must be a list');
  if (typeof cursor !== 'string' || cursor === '' || cursor.length > MAX_CURSOR_LENGTH) {
    throw new TypeError(`changes().cursor must be text of 1 to ${MAX_CURSOR_LENGTH} characters`);
  }
  if (typeof isFromStart !== 'boolean') throw new TypeError('changes().isFromStart must be true or false');
  if (typeof hasMore !== 'boolean') throw new TypeError('changes().hasMore must be true or false');
  return { revocations: revocations.map(readRevocation), cursor, isFromStart, hasMore };
}

function readRevocation(value: unknown): StoredRevocation {
  const { key, issuedBefore, until } = isRecord(value) ? value : {};
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new TypeError('changes().revocations[].key must be the key that add() got');
  }
  if (!isTime(issuedBefore) || !isTime(until)) {
    throw new TypeError('changes().revocations[] must have issuedBefore and until as the whole numbers that add() got');
  }
  return { key, issuedBefore, until };
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
