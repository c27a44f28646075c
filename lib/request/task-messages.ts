import { isRecord, ownMember } from '../core/record.js';
import { isEnvelope } from './rpc-body.js';

/** The member of `_meta` that relates a request to a task (MCP 2025-11-25, Tasks, "Associating Task-Related Messages"). */
const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** The only task method that names no task. */
const LIST_METHOD = 'tasks/list';

/**
 * Each task id in a parsed body, as sent. Also ids that are not strings: a request with a malformed id must not pass as a
 * request without a task.
 *
 * Reads `tasks/get`, `tasks/result`, `tasks/cancel` and requests related to a task (2025-11-25), and `tasks/get`,
 * `tasks/update`, `tasks/cancel` and the tasks of `subscriptions/listen` (tasks extension of 2026-07-28). Skips responses
 * and notifications: they may be related to a task of the client, and do not reach tasks of the server.
 */
export function tasksNamedIn(body: unknown): readonly unknown[] {
  const ids: unknown[] = [];
  for (const message of messagesOf(body)) {
    const method = message['method'];
    if (typeof method !== 'string') continue;
    const params = message['params'];
    if (method.startsWith('tasks/') && method !== LIST_METHOD)
      ids.push(isRecord(params) ? params['taskId'] : undefined);
    if (!isRecord(params)) continue;
    if (method === 'subscriptions/listen') for (const id of tasksListenedTo(params)) ids.push(id);
    const related = message['id'] === undefined ? undefined : metaOf(params)?.[RELATED_TASK];
    if (related !== undefined && related !== null) ids.push(isRecord(related) ? related['taskId'] : related);
  }
  return ids;
}

function tasksListenedTo({ notifications }: Readonly<Record<string, unknown>>): readonly unknown[] {
  const ids = isRecord(notifications) ? notifications['taskIds'] : undefined;
  return ids === undefined || ids === null ? [] : [ids].flat();
}

/** Whether a parsed body asks for the list of tasks. */
export function listsTasks(body: unknown): boolean {
  for (const { method } of messagesOf(body)) if (method === LIST_METHOD) return true;
  return false;
}

/** Requests by their JSON-RPC id. */
export type TaskRequests = ReadonlyMap<unknown, readonly unknown[]>;

/** The requests of a parsed body that may be answered with a task; undefined if there are none. */
export function taskRequestsIn(body: unknown): TaskRequests | undefined {
  let requests: Map<unknown, unknown[]> | undefined;
  for (const message of messagesOf(body)) {
    if (message['id'] === undefined || !mayCreateTask(message)) continue;
    requests ??= new Map();
    // If two requests have the same id, an answer may be for either of them.
    requests.set(message['id'], [...(requests.get(message['id']) ?? []), message]);
  }
  return requests;
}

/** Up to 2025-11-25 the client asks for a task. Since 2026-07-28 the server decides, for each `tools/call`. */
function mayCreateTask({ method, params }: Readonly<Record<string, unknown>>): boolean {
  if (!isRecord(params)) return false;
  if (isRecord(params['task'])) return true;
  return method === 'tools/call' && isRecord(metaOf(params)?.['io.modelcontextprotocol/clientCapabilities']);
}

/** A task that was created for a request, in the answer to it. */
export interface CreatedTask {
  readonly taskId: string;
  /** The JSON-RPC id of the request. */
  readonly requestId: unknown;
}

/** Yields the tasks that an answer names as created. The answer is one message or a batch. */
export function* tasksCreatedIn(answer: unknown): Generator<CreatedTask, void, undefined> {
  for (const { id, result } of messagesOf(answer)) {
    if (!isRecord(result)) continue;
    const taskId =
      result['resultType'] === 'task'
        ? result['taskId']
        : isRecord(result['task'])
          ? result['task']['taskId']
          : undefined;
    if (typeof taskId === 'string') yield { taskId, requestId: id };
  }
}

/** Removes tasks from the answer to `tasks/list` unless `isKept` accepts their id. Also removes malformed entries. */
export function keepTasks(answer: unknown, isKept: (taskId: string) => boolean): void {
  for (const message of [answer].flat()) {
    const result = isRecord(message) ? message['result'] : undefined;
    if (!isRecord(result) || result['tasks'] === undefined) continue;
    result['tasks'] = [result['tasks']].flat().filter((task) => {
      const taskId = isRecord(task) ? ownMember(task, 'taskId') : undefined;
      return typeof taskId === 'string' && isKept(taskId);
    });
  }
}

function messagesOf(body: unknown): readonly Readonly<Record<string, unknown>>[] {
  // No generator: two of them were 6,000 of the 100,000 instructions that the guard adds to an MCP call (callgrind, Node 24).
  return Array.isArray(body) ? body.filter(isEnvelope) : isEnvelope(body) ? [body] : [];
}

function metaOf(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const meta = params['_meta'];
  return isRecord(meta) ? meta : undefined;
}
