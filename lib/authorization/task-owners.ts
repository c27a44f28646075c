import { Injectable } from '@nestjs/common';
import { McpAuthError } from '../core/error.js';
import { NO_OPERATIONS, type Operation } from '../request/rpc-body.js';
import { listsTasks, tasksNamedIn } from '../request/task-messages.js';
import { ResolvedOptions } from '../options/options.js';
import { ownerOf, type CallerAt } from './caller-key.js';
import { OwnedIds } from './owned-ids.js';

/** Most tasks that are remembered. A forgotten task is answered like one that does not exist. */
const LIMITS = { perOwner: 1_000, inAll: 100_000 };

/**
 * Remembers for which principal, and by which operation, each task was created. Only that principal may use the task, with
 * a token that has what the operation needs. In memory.
 *
 * @see MCP 2025-11-25, Tasks, "Task Isolation and Access Control"; SEP-2663
 */
@Injectable()
export class TaskOwners {
  readonly #tasks = new OwnedIds<readonly Operation[]>(LIMITS);

  constructor(private readonly options: ResolvedOptions) {}

  /** Whether this class binds tasks to their principal, and not the application. */
  get areBoundHere(): boolean {
    return this.options.tasks === 'bound';
  }

  /** Remembers a task that was created for this caller. A task that is known already keeps its owner. */
  note(taskId: string, operations: readonly Operation[], caller: CallerAt): void {
    if (this.#tasks.get(taskId)) return;
    this.#tasks.add(taskId, ownerOf(caller), operations);
  }

  isOwn(taskId: string, caller: CallerAt): boolean {
    return this.#tasks.get(taskId)?.owner === ownerOf(caller);
  }

  /**
   * The operations that created the tasks in a parsed body. Refuses a task of another principal in the same words as a task
   * that does not exist.
   *
   * @throws {McpAuthError} `task_not_found`
   */
  operationsOf(body: unknown, caller: CallerAt): readonly Operation[] {
    if (!this.areBoundHere) return NO_OPERATIONS;
    let operations: Set<Operation> | undefined;
    for (const taskId of tasksNamedIn(body)) {
      operations ??= new Set();
      for (const operation of this.#operationsOf(taskId, caller)) operations.add(operation);
    }
    return operations ? [...operations] : NO_OPERATIONS;
  }

  #operationsOf(taskId: unknown, caller: CallerAt): readonly Operation[] {
    const task = typeof taskId === 'string' ? this.#tasks.use(taskId, ownerOf(caller)) : undefined;
    if (!task) throw new McpAuthError('task_not_found', 'task_unknown');
    if (task === 'of another') throw new McpAuthError('task_not_found', 'task_of_another');
    return task.value;
  }

  /**
   * Refuses `tasks/list` if the list arrives on another stream than the answer to the request, where it cannot be filtered.
   *
   * @throws {McpAuthError} `access_denied`
   */
  checkListable(body: unknown): void {
    if (this.areBoundHere && listsTasks(body)) throw new McpAuthError('access_denied', 'task_list_elsewhere');
  }
}
