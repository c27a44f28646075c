import { isRecord } from '../core/record.js';
import type { OptionReader, ReadersOf } from './option-reader.js';

/** What callers without a token may do at the MCP endpoint; see `CommonOptions.allowAnonymous`. */
export interface AnonymousAccessOptions {
  /**
   * Open and keep a connection: `initialize`, `ping`, the notifications `initialized` and `cancelled`, the stream (GET), and
   * the end of a session (DELETE).
   * @default false
   */
  connect?: boolean;
  /**
   * See what the server has: `tools/list`, `resources/list`, `resources/templates/list`, `prompts/list` and
   * `server/discover`.
   * @default false
   */
  list?: boolean;
  /** Use operations that are declared `@Public()`. @default false */
  call?: boolean;
}

/** The option after validation; false if callers without a token may do nothing. */
export type AnonymousAccess = Readonly<Required<AnonymousAccessOptions>> | false;

const PUBLIC_WORKS = 'operations that are declared @Public() work without a token';

export const ANONYMOUS_ACCESS_OPTIONS = {
  connect: (option) => option.riskyFlag('connections are opened without a token'),
  list: (option) => option.riskyFlag('everything that is listed can be seen without a token'),
  call: (option) => option.riskyFlag(PUBLIC_WORKS),
} satisfies ReadersOf<AnonymousAccessOptions>;

export function readAnonymousAccess(option: OptionReader): AnonymousAccess {
  const { value } = option;
  if (isRecord(value)) {
    const { connect, list, call } = option.section(ANONYMOUS_ACCESS_OPTIONS);
    return connect || list || call ? { connect, list, call } : false;
  }
  if (value === undefined || value === false) return false;
  if (value === true) option.warn(`is on: ${PUBLIC_WORKS}`);
  else {
    const write = 'Write true, false, or what is allowed, such as { connect: false, list: true, call: false }';
    option.refuse({ why: 'must be true or false, or an object of connect, list and call', write });
  }
  return { connect: true, list: true, call: true };
}

/** Whether callers without a token may use operations that are declared `@Public()`. */
export function allowsAnonymousCalls({ allowAnonymous }: { readonly allowAnonymous: AnonymousAccess }): boolean {
  return allowAnonymous !== false && allowAnonymous.call;
}
