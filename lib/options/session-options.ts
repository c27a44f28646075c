import type { SessionOwnerStore } from '../shared-state/session-owner-store.js';
import { boundedAnswer } from './bounded-answer.js';
import type { OptionReader, OptionsRead, ReadersOf } from './option-reader.js';

/** Whom MCP sessions belong to (protocol versions up to 2025-11-25). */
export interface SessionOptions {
  /**
   * Remembers the owners of sessions for all replicas. Set it only if your MCP framework shares its sessions between replicas, too:
   * requests that name a session then wait for this store, and get 503 while it cannot answer. Sessions of the transport HTTP+SSE
   * end with their stream, and stay in the memory of the process that has it.
   * @default none: the memory of this process
   */
  store?: SessionOwnerStore;
}

export const SESSION_OPTIONS = { store: readStore } satisfies ReadersOf<SessionOptions>;

/** The settings for sessions, with every default filled in. */
export type ResolvedSessions = OptionsRead<typeof SESSION_OPTIONS>;

export function readSessions(option: OptionReader): ResolvedSessions {
  return option.section(SESSION_OPTIONS);
}

const METHODS = ['open', 'ownerOf', 'close'] as const;

function readStore(option: OptionReader): SessionOwnerStore | undefined {
  const { value } = option;
  if (!option.isGiven) return undefined;
  if (isStore(value)) {
    // The options are frozen, but the store keeps state.
    return {
      open: (session, owner) => boundedAnswer(value.open(session, owner)),
      ownerOf: (session) => boundedAnswer(value.ownerOf(session)),
      close: (session) => boundedAnswer(value.close(session)),
    };
  }
  const why = 'must have the methods open(session, owner), ownerOf(session) and close(session)';
  option.refuse({ why, write: 'Write a SessionOwnerStore, or leave it out' });
  return undefined;
}

function isStore(value: unknown): value is SessionOwnerStore {
  if (typeof value !== 'object' || value === null) return false;
  const object = value as Record<string, unknown>;
  return METHODS.every((name) => typeof object[name] === 'function');
}
