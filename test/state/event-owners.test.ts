import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError } from 'nestjs-mcp-auth';
import { ownerOf, type CallerAt } from '../../lib/authorization/caller-key.js';
import { EventOwners } from '../../lib/authorization/event-owners.js';
import { authInfoOf } from '../../lib/caller/caller.js';
import type { VerifiedToken } from '../../lib/core/token-verifier.js';

// Whose events are whose.

const resourceOf = (value: string): CallerAt['resource'] => ({ identifier: { value } }) as CallerAt['resource'];
const notes = resourceOf('https://mcp.example.com/notes');
const files = resourceOf('https://mcp.example.com/files');

const callerAt = (resource: CallerAt['resource'], subject: string, token = 'token'): CallerAt => {
  const verified = { issuer: 'https://issuer.example', subject, clientId: token, scopes: [], claims: {} };
  return { auth: authInfoOf(token, verified as unknown as VerifiedToken, resource), resource };
};
const anonymousAt = (resource: CallerAt['resource']): CallerAt => ({ auth: undefined, resource });

let events: EventOwners;
beforeEach(() => {
  events = new EventOwners();
});
const outcome = (id: string, caller: CallerAt): string => {
  try {
    events.check(id, caller);
    return 'replayed';
  } catch (error) {
    return error instanceof McpAuthError ? `${error.code}, ${error.reason}` : String(error);
  }
};
const REFUSED = 'session_not_found, event_unknown';

const alice = callerAt(notes, 'alice');
it.each<[who: string, owner: CallerAt, same: CallerAt, others: CallerAt[]]>([
  [
    'a user, whatever the token and the client',
    alice,
    callerAt(notes, 'alice', 'another token'),
    [callerAt(notes, 'bob'), callerAt(files, 'alice'), anonymousAt(notes)],
  ],
  ['callers without a token together', anonymousAt(notes), anonymousAt(notes), [anonymousAt(files), alice]],
])('events belong to %s, at one resource', (_who, owner, same, others) => {
  events.note('7', owner);
  expect([outcome('7', owner), outcome('7', same)]).toEqual(['replayed', 'replayed']);
  for (const other of others) expect(outcome('7', other)).toBe(REFUSED);
  const keys = [owner, ...others].map(ownerOf);
  expect(new Set(keys).size).toBe(keys.length);
  expect(ownerOf(same)).toBe(ownerOf(owner));
});

describe('an event id', () => {
  it('that was sent to nobody is refused', () => {
    expect(outcome('7', alice)).toBe(REFUSED);
  });

  it('may be sent to two callers, and is each of them’s', () => {
    const bob = callerAt(notes, 'bob');
    events.note('7', alice);
    events.note('7', bob);
    events.note('8', bob);
    expect([outcome('7', alice), outcome('7', bob)]).toEqual(['replayed', 'replayed']);
    expect([outcome('8', alice), outcome('8', bob)]).toEqual([REFUSED, 'replayed']);
  });
});
