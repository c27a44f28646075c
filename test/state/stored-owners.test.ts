import { hash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import type { CallerAt } from '../../lib/authorization/caller-key.js';
import { SharedSessions } from '../../lib/authorization/shared-sessions.js';
import { McpAuthError } from '../../lib/core/error.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { RevocationSubject } from '../../lib/revocation/revocation-subject.js';
import type { Revocations } from '../../lib/revocation/revocations.js';
import { SharedSessionOwners } from '../support/shared-session-owners.js';

/** What a store is given of the owner of a session, and what is read from it. */

const hashOf = (text: string): string => hash('sha256', text, 'base64url');

const resource = { identifier: { value: 'https://mcp.example.com/mcp' } } as CallerAt['resource'];
const alice: CallerAt = {
  auth: { principalKey: 'alice', resource: new URL('https://mcp.example.com/mcp') } as unknown as McpAuthInfo,
  resource,
};
const nobody: CallerAt = { auth: undefined, resource };

let store: SharedSessionOwners;
let subject: RevocationSubject | undefined;
let asked: RevocationSubject[];
let isRevoked: boolean;
let reports: string[];
let sessions: SharedSessions;
beforeEach(() => {
  store = new SharedSessionOwners();
  start(store);
});

function start(given: SharedSessionOwners | undefined): void {
  subject = undefined;
  asked = [];
  isRevoked = false;
  reports = [];
  sessions = new SharedSessions(
    { sessions: { store: given } } as unknown as ResolvedOptions,
    {
      subjectOf: () => subject,
      isRevoked: (one: RevocationSubject) => {
        asked.push(one);
        return isRevoked;
      },
    } as unknown as Revocations,
    {
      storeAnswered: (option) => reports.push(`${option} answered`),
      storeFailed: (option, error) => reports.push(`${option}: ${(error as Error).message}`),
    },
  );
}

const codeOf = (checked: Promise<void>): Promise<unknown> =>
  checked.then(
    () => 'admitted',
    (error: unknown) => (error instanceof McpAuthError ? `${error.code}, ${error.reason}` : error),
  );
const check = (caller: CallerAt = alice): Promise<unknown> => codeOf(sessions.check('session', caller));

/** Keys have all letters that base64url has. */
const KEYS = [`${'a'.repeat(41)}-_`, `${'Z'.repeat(41)}09`];

describe('the owner of a session in a shared store', () => {
  it.each<[string, RevocationSubject | undefined, string, RevocationSubject]>([
    ['nothing that can be revoked', undefined, ' ', { keys: [], issuedAt: undefined }],
    ['no time', { keys: KEYS, issuedAt: undefined }, `  ${KEYS.join(' ')}`, { keys: KEYS, issuedAt: undefined }],
    ['no keys', { keys: [], issuedAt: 1_700_000_000_000 }, ' 1700000000000', { keys: [], issuedAt: 1_700_000_000_000 }],
    [
      'a time that is not whole',
      { keys: KEYS, issuedAt: 1_700_000_000_000.9 },
      ` 1700000000000 ${KEYS.join(' ')}`,
      { keys: KEYS, issuedAt: 1_700_000_000_000 },
    ],
    ['the first time', { keys: [], issuedAt: 0 }, ' 0', { keys: [], issuedAt: 0 }],
    [
      'one key',
      { keys: ['k'.repeat(43)], issuedAt: 1 },
      ` 1 ${'k'.repeat(43)}`,
      { keys: ['k'.repeat(43)], issuedAt: 1 },
    ],
  ])('is written as hashes and read back, with %s', async (_what, given, written, read) => {
    subject = given;
    await sessions.open('session', alice);
    const [[key, value] = []] = [...store.owners];
    expect(key).toBe(hashOf('session'));
    expect(value?.slice(43)).toBe(written);
    expect(await check()).toBe('admitted');
    expect(asked).toEqual([read]);
    expect(await check(nobody)).toBe('session_not_found, session_of_another');
    expect(reports).toEqual(['sessions.store answered', 'sessions.store answered', 'sessions.store answered']);
  });

  it('is no longer in the store after the token was revoked', async () => {
    await sessions.open('session', alice);
    isRevoked = true;
    expect(await check()).toBe('session_not_found, session_unknown');
    expect([...store.owners]).toEqual([]);
  });

  it.each([
    ['in a list', (owner: string) => [owner] as unknown as string],
    ['with something before it', (owner: string) => `x${owner}`],
    ['with something after it', (owner: string) => `${owner}x`],
    ['with a line after it', (owner: string) => `${owner}\n`],
    ['with a space after it', (owner: string) => `${owner} `],
    ['without its first letter', (owner: string) => owner.slice(1)],
    ['without its last letter', (owner: string) => owner.slice(0, -1)],
    ['with another letter', (owner: string) => `+${owner.slice(1)}`],
    ['with a key of another letter', (owner: string) => `${owner.slice(0, -1)}+`],
    ['with a time of 17 digits', (owner: string) => owner.replace(/ \d+ /, ` ${'1'.repeat(17)} `)],
    ['with a time that is no number', (owner: string) => owner.replace(/ \d+ /, ' soon ')],
    ['without a time', (owner: string) => owner.slice(0, 43)],
  ])('is not taken %s', async (_what, change) => {
    subject = { keys: KEYS, issuedAt: 1_700_000_000_000 };
    await sessions.open('session', alice);
    store.nonsense = change(store.owners.get(hashOf('session')) as string);
    reports.length = 0;
    expect(await check()).toBe('temporarily_unavailable, session_undecided');
    expect(reports).toEqual(['sessions.store: ownerOf(session) must return what open() got, or undefined']);
    expect(asked).toEqual([]);
  });

  it('is unknown, and nothing fails, without a store', async () => {
    expect(sessions.areOn).toBe(true);
    start(undefined);
    expect(sessions.areOn).toBe(false);
    await sessions.open('session', alice);
    await sessions.close('session');
    expect(await check()).toBe('session_not_found, session_unknown');
    expect(reports.filter((report) => !report.endsWith('answered'))).toEqual([]);
  });

  it('is unknown to a store without the session, and undecided while the store fails', async () => {
    expect(await check()).toBe('session_not_found, session_unknown');
    store.outage = new Error('down');
    expect(await check()).toBe('temporarily_unavailable, session_undecided');
    await expect(sessions.open('session', alice)).resolves.toBeUndefined();
    await expect(sessions.close('session')).resolves.toBeUndefined();
    expect(reports).toEqual(['sessions.store answered', ...Array(3).fill('sessions.store: down')]);
  });
});
