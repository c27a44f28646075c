import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { HANDLER_METHODS, type OperationKind } from '../request/rpc-body.js';
import { isRecord } from '../core/record.js';
import { keepTasks } from '../request/task-messages.js';
import type { AccessRequest } from '../authorization/access-request.js';
import { OperationAccess } from '../authorization/operation-access.js';
import type { AuthorizedCall } from '../caller/authorized-call.js';
import { rewriteBody } from './buffered-response.js';
import { TaskOwners } from '../authorization/task-owners.js';

/** For each list method: the member of the result that holds the entries, and the member that names an entry. */
const LISTS: readonly { method: string; member: string; kind: OperationKind; name: string }[] = [
  { method: 'tools/list', member: 'tools', kind: 'tool', name: 'name' },
  { method: 'prompts/list', member: 'prompts', kind: 'prompt', name: 'name' },
  { method: 'resources/list', member: 'resources', kind: 'resource', name: 'uri' },
  { method: 'resources/templates/list', member: 'resourceTemplates', kind: 'resource-template', name: 'uriTemplate' },
];

const LIST_METHODS: ReadonlySet<string | undefined> = new Set(LISTS.map(({ method }) => method));

/** The lists that are rewritten even if all entries are shown. */
const ANNOTATED_LISTS: ReadonlySet<string | undefined> = new Set(['tools/list']);

/**
 * Rewrites list results. Adds what each tool needs to its entry, as `_meta.securitySchemes`, which ChatGPT and others read
 * before they call the tool. Removes entries that the caller may not use, as the option `scopes.listing` says. Does NOT
 * protect them: entries that are not understood stay.
 *
 * In the list of tasks, only tasks of the caller stay. Entries that are not understood are removed.
 *
 * Rewrites the answer of any MCP framework, as JSON or as an event stream.
 */
@Injectable()
export class Listing {
  constructor(
    private readonly operations: OperationAccess,
    private readonly tasks: TaskOwners,
  ) {}

  /** Buffers the answer to a list request until it is complete, and sends it rewritten. */
  attach(response: ServerResponse, { body }: AccessRequest, call: AuthorizedCall): void {
    const changed = call.resource.listing === 'show' ? ANNOTATED_LISTS : LIST_METHODS;
    const ofTasks = this.tasks.areBoundHere && body.messages.some(({ method }) => method === 'tasks/list');
    if (!ofTasks && !body.messages.some(({ method }) => changed.has(method))) return;
    // A list of tasks that cannot be decoded may contain tasks of other callers.
    rewriteBody(
      response,
      (text) => changedText(text, (json) => this.#changeJson(json, call, ofTasks)),
      ofTasks ? 'nothing' : 'as-it-is',
    );
  }

  async #changeJson(json: string, call: AuthorizedCall, ofTasks: boolean): Promise<string> {
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      return ofTasks ? '' : json;
    }
    if (ofTasks) keepTasks(value, (taskId) => this.tasks.isOwn(taskId, call));
    for (const message of [value].flat()) await this.#changeMessage(message, call);
    return JSON.stringify(value);
  }

  async #changeMessage(message: unknown, call: AuthorizedCall): Promise<void> {
    const result = isRecord(message) ? message['result'] : undefined;
    if (!isRecord(result)) return;
    for (const { member, kind, name } of LISTS) {
      const entries = result[member];
      if (!Array.isArray(entries)) continue;
      if (kind === 'tool') for (const entry of entries) this.#advertise(entry, call);
      if (call.resource.listing === 'show') continue;
      const isShown = await Promise.all(entries.map((entry: unknown) => this.#isShown(kind, entry, name, call)));
      result[member] = entries.filter((_entry, index) => isShown[index]);
      // A cache must not give the list of one caller to another (MCP 2026-07-28, Caching).
      if ('cacheScope' in result) result['cacheScope'] = 'private';
    }
  }

  /** Adds what a tool needs to its entry. Leaves tools without declarations as the MCP framework describes them. */
  #advertise(entry: unknown, { resource }: AuthorizedCall): void {
    if (!isRecord(entry) || typeof entry['name'] !== 'string') return;
    const schemes = this.operations.securitySchemes(entry['name'], resource);
    if (!schemes) return;
    entry['_meta'] = { ...(isRecord(entry['_meta']) && entry['_meta']), securitySchemes: schemes };
    // Some MCP frameworks set this member themselves.
    if ('securitySchemes' in entry) entry['securitySchemes'] = schemes;
  }

  async #isShown(kind: OperationKind, entry: unknown, nameMember: string, call: AuthorizedCall): Promise<boolean> {
    const name = isRecord(entry) ? entry[nameMember] : undefined;
    if (typeof name !== 'string') return true;
    const method = HANDLER_METHODS[kind];
    const access = await this.operations.accessTo(call, { kind, method, name, args: undefined, reachesHandler: true });
    return call.resource.listing === 'hide' ? access === 'allowed' : access !== 'denied';
  }
}

/** Changes the JSON text of a body, or the one in the data of each event of an event stream (HTML Standard §9.2). */
async function changedText(text: string, change: (json: string) => Promise<string>): Promise<string> {
  if (/^\s*[[{]/.test(text)) return change(text);
  const changed: string[] = [];
  for (const event of text.replace(/\r\n?/g, '\n').split('\n\n'))
    changed.push(await changedEvent(event.split('\n'), change));
  return changed.join('\n\n');
}

async function changedEvent(lines: readonly string[], change: (json: string) => Promise<string>): Promise<string> {
  // Also U+2028 and U+2029, which a dot means only with the flag: JSON may have them in strings.
  const data = lines.flatMap((line) => /^data(?:: ?(.*))?$/s.exec(line)?.[1] ?? []);
  const json = data.join('\n');
  if (json === '') return lines.join('\n');
  const others = lines.filter((line) => !/^data(?::|$)/.test(line));
  const changed = await change(json);
  return [...others, ...changed.split('\n').map((line) => `data: ${line}`)].join('\n');
}
