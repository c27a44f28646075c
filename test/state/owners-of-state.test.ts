import { beforeEach, describe, expect, it } from '@jest/globals';
import { McpAuthError, type McpAuthInfo } from 'nestjs-mcp-auth';
import type { CallerAt } from '../../lib/authorization/caller-key.js';
import { SessionOwners } from '../../lib/authorization/session-owners.js';
import { TaskOwners } from '../../lib/authorization/task-owners.js';
import type { ResolvedOptions } from '../../lib/options/options.js';
import type { Operation } from '../../lib/request/rpc-body.js';
import type { RevocationSubject } from '../../lib/revocation/revocation-subject.js';
import type { Revocations } from '../../lib/revocation/revocations.js';

const resource = { identifier: { value: 'https://mcp.example.com/mcp' } } as CallerAt['resource'];
const caller = (principalKey: string): CallerAt => ({ auth: { principalKey } as McpAuthInfo, resource });
const alice = caller('alice');
const bob = caller('bob');
const nobody: CallerAt = { auth: undefined, resource };

/** The code and the message of a refusal. */
function refusalOf(checked: () => unknown): unknown {
  try {
    checked();
    return 'admitted';
  } catch (error) {
    return error instanceof McpAuthError ? [error.code, error.reason] : error;
  }
}

describe('the owners of sessions', () => {
  const SUBJECT: RevocationSubject = { keys: ['k'], issuedAt: 1 };
  const UNKNOWN = ['session_not_found', 'session_unknown'];
  let subject: RevocationSubject | undefined;
  let revoked: RevocationSubject | undefined;
  let sessions: SessionOwners;
  beforeEach(() => {
    subject = SUBJECT;
    revoked = undefined;
    const revocations = {
      subjectOf: (auth: unknown) => auth && subject,
      isRevoked: (one: RevocationSubject) => one === revoked,
    };
    sessions = new SessionOwners(revocations as unknown as Revocations);
  });

  it('are the only ones who may use a session, until it is closed', () => {
    sessions.open('hers', alice);
    expect([sessions.has('hers'), sessions.has('other')]).toEqual([true, false]);
    expect(refusalOf(() => sessions.check('hers', alice))).toBe('admitted');
    expect(refusalOf(() => sessions.check('hers', bob))).toEqual(['session_not_found', 'session_of_another']);
    expect(refusalOf(() => sessions.check('hers', nobody))).toEqual(['session_not_found', 'session_of_another']);
    expect(refusalOf(() => sessions.check('other', alice))).toEqual(UNKNOWN);
    sessions.close('hers');
    expect(refusalOf(() => sessions.check('hers', alice))).toEqual(UNKNOWN);
    expect(sessions.has('hers')).toBe(false);
  });

  it('lose the session when the token that opened it is revoked', () => {
    sessions.open('hers', alice);
    subject = { keys: ['k'], issuedAt: 2 };
    sessions.open('of her new token', alice);
    revoked = SUBJECT;
    // Who is refused anyway does not end it.
    expect(refusalOf(() => sessions.check('hers', bob))).toEqual(['session_not_found', 'session_of_another']);
    expect(sessions.has('hers')).toBe(true);
    expect(refusalOf(() => sessions.check('hers', alice))).toEqual(UNKNOWN);
    expect(sessions.has('hers')).toBe(false);
    expect(refusalOf(() => sessions.check('of her new token', alice))).toBe('admitted');
  });

  it('keep it where nothing can be revoked', () => {
    subject = undefined;
    sessions.open('hers', alice);
    sessions.open('of nobody', nobody);
    expect(refusalOf(() => sessions.check('hers', alice))).toBe('admitted');
    expect(refusalOf(() => sessions.check('of nobody', nobody))).toBe('admitted');
  });

  it('keep 1,000 each, and anonymous callers together 10,000', () => {
    for (let index = 0; index < 10_001; index += 1) {
      sessions.open(`a${index}`, alice);
      sessions.open(`n${index}`, nobody);
    }
    const known = ['a9000', 'a9001', 'a10000', 'n0', 'n1', 'n10000'].map((id) => sessions.has(id));
    expect(known).toEqual([false, true, true, false, true, true]);
  });
});

describe('the owners of tasks', () => {
  const operation = (name: string): Operation => ({
    kind: 'tool',
    method: 'tools/call',
    name,
    args: undefined,
    reachesHandler: true,
  });
  const [sum, report] = [operation('sum'), operation('report')];
  const asking = (...taskIds: readonly unknown[]): object[] =>
    taskIds.map((taskId) => ({ jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { taskId } }));
  const UNKNOWN = ['task_not_found', 'task_unknown'];
  let tasks: TaskOwners;
  beforeEach(() => {
    tasks = new TaskOwners({ tasks: 'bound' } as ResolvedOptions);
    tasks.note('1', [sum], alice);
    tasks.note('2', [report, sum], alice);
    tasks.note('3', [report], bob);
  });

  it('use them by the operations that created them, each once', () => {
    expect(tasks.operationsOf(asking('1')[0], alice)).toEqual([sum]);
    expect(tasks.operationsOf(asking('1', '2'), alice)).toEqual([sum, report]);
    expect(tasks.operationsOf({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, alice)).toEqual([]);
    expect([tasks.isOwn('1', alice), tasks.isOwn('1', bob), tasks.isOwn('4', alice)]).toEqual([true, false, false]);
  });

  it('are the only ones who may name them', () => {
    expect(refusalOf(() => tasks.operationsOf(asking('1'), bob))).toEqual(['task_not_found', 'task_of_another']);
    expect(refusalOf(() => tasks.operationsOf(asking('1', '3'), alice))).toEqual(['task_not_found', 'task_of_another']);
    for (const id of ['4', undefined, null, 1, ['1'], {}])
      expect(refusalOf(() => tasks.operationsOf(asking('1', id), alice))).toEqual(UNKNOWN);
  });

  it('stay owners when somebody else claims the task', () => {
    tasks.note('1', [report], bob);
    expect(tasks.operationsOf(asking('1'), alice)).toEqual([sum]);
  });

  it('may not list them on another stream, where nothing filters the list', () => {
    const list = { jsonrpc: '2.0', id: 1, method: 'tasks/list' };
    expect(refusalOf(() => tasks.checkListable(list))).toEqual(['access_denied', 'task_list_elsewhere']);
    expect(refusalOf(() => tasks.checkListable([...asking('1'), list]))).toEqual([
      'access_denied',
      'task_list_elsewhere',
    ]);
    expect(refusalOf(() => tasks.checkListable(asking('1')))).toBe('admitted');
  });

  it('do not matter if the application binds tasks itself', () => {
    const unbound = new TaskOwners({ tasks: 'unbound' } as unknown as ResolvedOptions);
    unbound.note('1', [sum], alice);
    expect([tasks.areBoundHere, unbound.areBoundHere]).toEqual([true, false]);
    expect(unbound.operationsOf(asking('1', 'other'), bob)).toEqual([]);
    expect(refusalOf(() => unbound.checkListable({ jsonrpc: '2.0', id: 1, method: 'tasks/list' }))).toBe('admitted');
  });
});
