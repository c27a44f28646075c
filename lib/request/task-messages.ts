import { isRecord, ownMember } from '../core/record.js';
import { isEnvelope } from './rpc-body.js';

/** The `_meta` by which a request says that it belongs to a task (MCP 2025-11-25, Tasks, "Associating Task-Related Messages"). */
const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** The only method of tasks that names none. */
const LIST_METHOD = 'tasks/list';

/**
 * Every task that a parsed body names, as sent: something other than a string where an id should stand, so that nobody
 * takes a request for one without a task because its id is none.
 *
 * Of 2025-11-25 `tasks/get`, `tasks/result` and `tasks/cancel`, and requests related to a task; of the tasks extension
 * of 2026-07-28 `tasks/get`, `tasks/update`, `tasks/cancel`, and the tasks of `subscriptions/listen`. Responses and
 * notifications may be related to a task of the client's own, of which nothing is known here, and reach none.
 */
export function* tasksNamedIn(body: unknown): Generator<unknown, void, undefined> {
  for (const message of messagesOf(body)) {
    const method = message['method'];
    if (typeof method !== 'string') continue;
    const params = message['params'];
    if (method.startsWith('tasks/') && method !== LIST_METHOD) yield isRecord(params) ? params['taskId'] : undefined;
    if (!isRecord(params)) continue;
    if (method === 'subscriptions/listen') yield* tasksListenedTo(params);
    const related = message['id'] === undefined ? undefined : metaOf(params)?.[RELATED_TASK];
    if (related !== undefined && related !== null) yield isRecord(related) ? related['taskId'] : related;
  }
}

function* tasksListenedTo({ notifications }: Readonly<Record<string, unknown>>): Generator<unknown, void, undefined> {
  const ids = isRecord(notifications) ? notifications['taskIds'] : undefined;
  if (Array.isArray(ids)) yield* ids;
  else if (ids !== undefined && ids !== null) yield ids;
}

/** Whether a parsed body asks for the list of tasks. */
export function listsTasks(body: unknown): boolean {
  for (const { method } of messagesOf(body)) if (method === LIST_METHOD) return true;
  return false;
}

/** The requests of a body that may be answered with a task, by their JSON-RPC id. */
export type TaskRequests = ReadonlyMap<unknown, readonly unknown[]>;

/** Undefined where none of them may be. */
export function taskRequestsIn(body: unknown): TaskRequests | undefined {
  let requests: Map<unknown, unknown[]> | undefined;
  for (const message of messagesOf(body)) {
    if (message['id'] === undefined || !mayCreateTask(message)) continue;
    requests ??= new Map();
    // Of two requests with one id nobody can say which an answer is for.
    requests.set(message['id'], [...(requests.get(message['id']) ?? []), message]);
  }
  return requests;
}

/** Up to 2025-11-25 the client asks for a task; from 2026-07-28 on the server decides, for each `tools/call`. */
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

/** The tasks that an answer names as created: one message, or a batch of them. */
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

/** Removes from the answer to `tasks/list` what the function does not know, and what is not understood. */
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

function* messagesOf(body: unknown): Generator<Readonly<Record<string, unknown>>, void, undefined> {
  if (Array.isArray(body)) {
    for (const message of body) if (isEnvelope(message)) yield message;
  } else if (isEnvelope(body)) yield body;
}

function metaOf(params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const meta = params['_meta'];
  return isRecord(meta) ? meta : undefined;
}
