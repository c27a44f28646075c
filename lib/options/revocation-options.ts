import type { RevocationStore } from '../shared-state/revocation-store.js';
import type { OptionReader, ReadersOf } from './option-reader.js';
import { optional } from './option-reader.js';

/** How tokens are refused before they expire, since `McpAuthRevocations` revoked them. */
export interface RevocationOptions {
  /**
   * Shares revocations among replicas: what one revokes, all refuse. Without it, a revocation counts for this process alone, and
   * is forgotten when it ends.
   * @default none: the memory of this process
   */
  store?: RevocationStore;
  /**
   * The longest life of an access token, from `iat` to `exp`, in seconds: for so long revocations are kept. A token that lives
   * longer is refused. At least `maxTokenLifetimeSeconds`, at most a year.
   * @default maxTokenLifetimeSeconds
   */
  maxTokenSeconds?: number;
  /** How often each replica asks the store for changes, in milliseconds, 50 to 10000. @default 250 */
  pollMs?: number;
  /**
   * For how long the store may be unreadable before requests with a token get 503, in seconds, 1 to 300. Until then, this
   * process decides by what it last read.
   * @default 5
   */
  staleSeconds?: number;
}

/** The settings for revocations, with every default filled in. */
export interface ResolvedRevocation {
  readonly store: RevocationStore | undefined;
  readonly maxTokenSeconds: number;
  readonly pollMs: number;
  readonly staleSeconds: number;
}

/** What is read of the options, before those of the whole module fill in the rest. */
export type RevocationRead = Omit<ResolvedRevocation, 'maxTokenSeconds'> & {
  readonly maxTokenSeconds: number | undefined;
};

const YEAR = 31_536_000;

export const REVOCATION_OPTIONS = {
  store: readStore,
  maxTokenSeconds: optional((option) => option.seconds(86_400, 1, YEAR)),
  pollMs: (option) => option.number(250, 50, 10_000, 'Write milliseconds, such as'),
  staleSeconds: (option) => option.seconds(5, 1, 300),
} satisfies ReadersOf<RevocationOptions>;

/** The settings for revocations; undefined if nothing can be revoked. */
export function readRevocation(option: OptionReader): RevocationRead | undefined {
  if (!option.isGiven) return undefined;
  const read = option.section(REVOCATION_OPTIONS);
  if (read.pollMs * 2 > read.staleSeconds * 1000) {
    option.at('staleSeconds').refuse({
      seen: String(read.staleSeconds),
      why: `must be at least twice pollMs, which is ${read.pollMs} ms`,
      write: 'Write more seconds, or fewer pollMs',
    });
  }
  return read;
}

/** Fills in what depends on the longest lifetime of a token. Refuses to forget a revocation while its tokens are accepted. */
export function completeRevocation(
  option: OptionReader,
  read: RevocationRead | undefined,
  maxTokenLifetimeSeconds: number,
): ResolvedRevocation | undefined {
  if (!read) return undefined;
  const { maxTokenSeconds = maxTokenLifetimeSeconds } = read;
  if (maxTokenSeconds < maxTokenLifetimeSeconds) {
    option.at('maxTokenSeconds').refuse({
      why: `must be at least maxTokenLifetimeSeconds, which is ${maxTokenLifetimeSeconds}: a revoked token would be accepted again`,
      write: 'Write more seconds, or fewer for maxTokenLifetimeSeconds',
    });
  }
  return { ...read, maxTokenSeconds };
}

function readStore(option: OptionReader): RevocationStore | undefined {
  const { value } = option;
  if (!option.isGiven) return undefined;
  if (isStore(value)) {
    // The options are frozen, but the store keeps state.
    return { add: (revocation) => value.add(revocation), changes: (after) => value.changes(after) };
  }
  const why = 'must have the methods add(revocation) and changes(after)';
  option.refuse({ why, write: 'Write a RevocationStore, or leave it out' });
  return undefined;
}

function isStore(value: unknown): value is RevocationStore {
  if (typeof value !== 'object' || value === null) return false;
  const { add, changes } = value as { readonly add?: unknown; readonly changes?: unknown };
  return typeof add === 'function' && typeof changes === 'function';
}
