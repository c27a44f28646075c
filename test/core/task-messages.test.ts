import { describe, expect, it } from '@jest/globals';
import {
  keepTasks,
  listsTasks,
  taskRequestsIn,
  tasksCreatedIn,
  tasksNamedIn,
} from '../../lib/request/task-messages.js';

const RELATED = 'io.modelcontextprotocol/related-task';

function request(method: unknown, params?: unknown, id: unknown = 1): Record<string, unknown> {
  return { jsonrpc: '2.0', method, params, ...(id === undefined ? {} : { id }) };
}

describe('the tasks that a message names', () => {
  it.each<[string, unknown, unknown[]]>([
    ['tasks/get', { taskId: 'a' }, ['a']],
    ['tasks/result', { taskId: 1 }, [1]],
    ['tasks/cancel', {}, [undefined]],
    ['tasks/cancel', undefined, [undefined]],
    ['tasks/unknown', { taskId: 'a' }, ['a']],
    ['tasks/list', { taskId: 'a' }, []],
    ['tasks', { taskId: 'a' }, []],
    ['notifications/tasks/a', { taskId: 'a' }, []],
    ['subscriptions/listen', { notifications: { taskIds: ['a', 1] } }, ['a', 1]],
    ['subscriptions/listen', { notifications: { taskIds: 'a' } }, ['a']],
    ['subscriptions/listen', { notifications: { taskIds: null } }, []],
    ['subscriptions/listen', { notifications: {} }, []],
    ['subscriptions/listen', { notifications: null }, []],
    ['tools/call', { notifications: { taskIds: ['a'] } }, []],
    ['tools/call', { _meta: { [RELATED]: { taskId: 'a' } } }, ['a']],
    ['tools/call', { _meta: { [RELATED]: 'a' } }, ['a']],
    ['tools/call', { _meta: { [RELATED]: {} } }, [undefined]],
    ['tools/call', { _meta: { [RELATED]: null } }, []],
    ['tools/call', { _meta: 'text' }, []],
    ['tools/call', 'text', []],
    ['tasks/get', { taskId: 'a', _meta: { [RELATED]: { taskId: 'b' } } }, ['a', 'b']],
  ])('%s with %j: %j', (method, params, ids) => {
    expect([...tasksNamedIn(request(method, params))]).toStrictEqual(ids);
    expect([...tasksNamedIn([1, request(method, params), {}])]).toStrictEqual(ids);
  });

  it('are not those of a notification, of a response, or of what is no message', () => {
    const related = { _meta: { [RELATED]: { taskId: 'a' } } };
    expect([...tasksNamedIn({ jsonrpc: '2.0', method: 'notifications/progress', params: related })]).toStrictEqual([]);
    expect([...tasksNamedIn(request(undefined, related))]).toStrictEqual([]);
    expect([...tasksNamedIn({ method: 'tasks/get', params: { taskId: 'a' }, id: 1 })]).toStrictEqual([]);
  });

  it('are listed by one method', () => {
    expect(listsTasks(request('tasks/list'))).toBe(true);
    expect(listsTasks([request('ping'), request('tasks/list')])).toBe(true);
    expect(listsTasks([request('tasks/get'), { method: 'tasks/list' }])).toBe(false);
  });
});

describe('a request that may be answered with a task', () => {
  const capable = { _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } };
  it.each<[string, unknown, boolean]>([
    ['tools/call', { task: {} }, true],
    ['sampling/createMessage', { task: { ttl: 1 } }, true],
    ['tools/call', { task: true }, false],
    ['tools/call', capable, true],
    ['prompts/get', capable, false],
    ['tools/call', { _meta: { 'io.modelcontextprotocol/clientCapabilities': 1 } }, false],
    ['tools/call', { _meta: {} }, false],
    ['tools/call', {}, false],
    ['tools/call', undefined, false],
  ])('%s with %j: %s', (method, params, isOne) => {
    const message = request(method, params);
    expect(taskRequestsIn(message)).toEqual(isOne ? new Map([[1, [message]]]) : undefined);
    expect(taskRequestsIn({ ...message, id: undefined })).toBeUndefined();
  });

  it('is found by its id, together with others of the same id', () => {
    const [one, two, three] = [1, 1, 2].map((id) => request('tools/call', { task: {} }, id));
    expect(taskRequestsIn([one, two, request('ping'), three])).toEqual(
      new Map([
        [1, [one, two]],
        [2, [three]],
      ]),
    );
  });
});

describe('the tasks in an answer', () => {
  const answer = (result: unknown, id: unknown = 1): unknown => ({ jsonrpc: '2.0', id, result });

  it.each<[unknown, string | undefined]>([
    [{ task: { taskId: 'a' } }, 'a'],
    [{ resultType: 'task', taskId: 'a', task: { taskId: 'b' } }, 'a'],
    [{ resultType: 'complete', taskId: 'a' }, undefined],
    [{ task: { taskId: 1 } }, undefined],
    [{ task: 'a' }, undefined],
    [{ taskId: 'a' }, undefined],
    [undefined, undefined],
  ])('%j creates: %s', (result, taskId) => {
    const created = taskId === undefined ? [] : [{ taskId, requestId: 1 }];
    expect([...tasksCreatedIn(answer(result))]).toStrictEqual(created);
    expect([...tasksCreatedIn([answer('text'), answer(result)])]).toStrictEqual(created);
  });

  it('are kept if their owner asks, and malformed ones are not', () => {
    const kept = (tasks: unknown): unknown => {
      const listed = { result: { tasks, nextCursor: 'c' } };
      keepTasks(listed, (id) => id !== 'b');
      return listed.result;
    };
    const inherited = Object.create({ taskId: 'a' }) as unknown;
    expect(kept([{ taskId: 'a' }, { taskId: 'b' }, { taskId: 1 }, 'a', null, inherited])).toEqual({
      tasks: [{ taskId: 'a' }],
      nextCursor: 'c',
    });
    expect(kept({ taskId: 'a' })).toEqual({ tasks: [{ taskId: 'a' }], nextCursor: 'c' });
    expect(kept({ taskId: 'b' })).toEqual({ tasks: [], nextCursor: 'c' });
  });

  it('leave other answers as they are', () => {
    const others = [{ result: {} }, { result: 'text' }, { error: {} }, null, 'text'];
    const copy = structuredClone(others);
    keepTasks(others, () => false);
    expect(others).toEqual(copy);
    const batch = [{ result: { tasks: [{ taskId: 'a' }] } }, { result: { tasks: [] } }];
    keepTasks(batch, () => false);
    expect(batch).toEqual([{ result: { tasks: [] } }, { result: { tasks: [] } }]);
  });
});
