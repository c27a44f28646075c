import { describe, expect, it } from '@jest/globals';
import type { McpAuthInfo } from 'nestjs-mcp-auth';
import type { CallerAt } from '../../lib/authorization/caller-key.js';
import { EventOwners } from '../../lib/authorization/event-owners.js';
import type { Revocations } from '../../lib/revocation/revocations.js';
import { SessionOwners } from '../../lib/authorization/session-owners.js';
import { TaskOwners } from '../../lib/authorization/task-owners.js';
import type { ResolvedOptions } from '../../lib/options/options.js';

const resource = { identifier: { value: 'https://mcp.example.com/mcp' } } as CallerAt['resource'];
const caller = (principalKey: string): CallerAt => ({
  auth: { principalKey, clientId: 'client' } as McpAuthInfo,
  resource,
});
const CALLERS: [string, CallerAt][] = [
  ['anonymous callers', { auth: undefined, resource }],
  ['one principal', caller('bob')],
];

const NOTHING_REVOKED = { subjectOf: () => undefined, isRevoked: () => false } as unknown as Revocations;

describe.each(CALLERS)('however much state %s make', (_who, other) => {
  const alice = caller('alice');
  // More than all of them together may have, of events as well.
  const many = (make: (id: string) => void): void => {
    for (let index = 0; index < 210_000; index += 1) make(`x${index}`);
  };

  it('MCP-25-SES-02: others keep their sessions', () => {
    const sessions = new SessionOwners(NOTHING_REVOKED);
    sessions.open('hers', alice);
    many((id) => sessions.open(id, other));
    expect(() => sessions.check('hers', alice)).not.toThrow();
    expect(() => sessions.check('x209999', other)).not.toThrow();
    expect(() => sessions.check('x0', other)).toThrow('there is no such session');
  });

  it('LIB-23: others keep their tasks', () => {
    const tasks = new TaskOwners({ tasks: 'bound' } as ResolvedOptions);
    tasks.note('hers', [], alice);
    many((id) => tasks.note(id, [], other));
    expect([tasks.isOwn('hers', alice), tasks.isOwn('x209999', other), tasks.isOwn('x0', other)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('LIB-23: a task stays with whom it was created for', () => {
    const tasks = new TaskOwners({ tasks: 'bound' } as ResolvedOptions);
    tasks.note('hers', [], alice);
    tasks.note('hers', [], other);
    expect([tasks.isOwn('hers', alice), tasks.isOwn('hers', other)]).toEqual([true, false]);
  });

  it('MCP-25-SES-05: others resume their streams', () => {
    const events = new EventOwners();
    events.note('1', alice);
    many((id) => events.note(id, other));
    expect(() => events.check('1', alice)).not.toThrow();
    expect(() => events.check('x209999', other)).not.toThrow();
    expect(() => events.check('x0', other)).toThrow('no event with that Last-Event-ID');
  });
});
