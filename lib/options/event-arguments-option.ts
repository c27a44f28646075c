import { isRecord } from '../core/record.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { OptionReader } from './option-reader.js';

/** A use of a tool or prompt, whose arguments may be told in events. */
export interface EventArgumentsContext {
  /** What is used. */
  readonly kind: OperationKind;
  /** Name of the tool or prompt, as sent. */
  readonly name: string;
  /** A copy of the arguments, as sent: not validated. */
  readonly args: unknown;
}

/** Returns what events may tell of arguments, as JSON can say it; undefined for nothing. Must not be asynchronous. */
export type RedactArguments = (call: EventArgumentsContext) => unknown;

/** Reads a list of names as a function that keeps these members and drops all others. */
export function readEventArguments(option: OptionReader): RedactArguments | undefined {
  const write =
    'Write the names of arguments to keep, such as ["noteId"], or a function that returns what events may tell';
  if (typeof option.value === 'function') return option.value as RedactArguments;
  if (Array.isArray(option.value)) {
    const names = option.texts(write) ?? [];
    return ({ args }) => membersOf(args, names);
  }
  if (option.isGiven) option.refuse({ why: 'must be a list of names or a function', write });
  return undefined;
}

function membersOf(args: unknown, names: readonly string[]): unknown {
  if (!isRecord(args)) return undefined;
  return Object.fromEntries(names.filter((name) => Object.hasOwn(args, name)).map((name) => [name, args[name]]));
}
