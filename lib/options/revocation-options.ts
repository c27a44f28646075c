import type { ReplayStore } from '../shared-state/replay-store.js';
import type { RevocationStore } from '../shared-state/revocation-store.js';
import type { OptionReader, ReadersOf } from './option-reader.js';
import { optional } from './option-reader.js';
import { readReplayStore } from './replay-store-option.js';

/** How tokens are refused before they expire, since `McpAuthRevocations` revoked them. */
export interface RevocationOptions {
  /**
   * Shares revocations among replicas: what one revokes, all refuse. Without it, a revocation counts for this process alone, and
   * is forgotten when it ends.
   * @default none: the memory of this process
   */
  store?: RevocationStore;
  /**
   * The longest life of an access token, from `iat` to `exp`, in seconds. Revocations are kept for that long. A token that lives
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
  /**
   * Accepts logout tokens of the authorization servers (OpenID Connect Back-Channel Logout 1.0): who logs out there is logged out
   * here.
   * @default none: there is no such endpoint
   */
  backChannelLogout?: BackChannelLogoutOptions;
}

/** The client IDs whose logout tokens of one issuer are accepted; a function may be asynchronous. */
export type LogoutClientIds = string[] | ((issuer: string) => string[] | Promise<string[]>);

/** The endpoint for logout tokens. */
export interface BackChannelLogoutOptions {
  /**
   * Where the endpoint is, below the path of each resource: with `/backchannel-logout`, the resource
   * `https://mcp.example.com/mcp` has it at `https://mcp.example.com/mcp/backchannel-logout`. That is the back-channel logout URI
   * of the client. Each resource accepts the tokens of its own authorization servers, and each tenant those of its own.
   */
  path: string;
  /** The client IDs for which logout tokens are issued (`aud`); or a function that returns those of an issuer. */
  clientIds: LogoutClientIds;
  /**
   * Remembers used logout tokens. Without one, each replica accepts a logout token once, which revokes nothing more.
   * @default the memory of this process
   */
  replayStore?: ReplayStore;
}

/** The settings for revocations, with every default filled in. */
export interface ResolvedRevocation {
  readonly store: RevocationStore | undefined;
  readonly maxTokenSeconds: number;
  readonly pollMs: number;
  readonly staleSeconds: number;
  /** Undefined if there is no endpoint for logout tokens. */
  readonly backChannelLogout: ResolvedBackChannelLogout | undefined;
}

/** The settings of the endpoint for logout tokens. */
export interface ResolvedBackChannelLogout {
  /** Begins with a slash. */
  readonly path: string;
  /** What a function of the application returns is not checked. */
  readonly clientIds: (issuer: string) => unknown;
  readonly replayStore: ReplayStore | undefined;
}

/** What is read of the options, before those of the whole module fill in the rest. */
export type RevocationRead = Omit<ResolvedRevocation, 'maxTokenSeconds'> & {
  readonly maxTokenSeconds: number | undefined;
};

const YEAR = 31_536_000;

export const BACK_CHANNEL_LOGOUT_OPTIONS = {
  path: readPath,
  clientIds: readClientIds,
  replayStore: readReplayStore,
} satisfies ReadersOf<BackChannelLogoutOptions>;

export const REVOCATION_OPTIONS = {
  store: readStore,
  maxTokenSeconds: optional((option) => option.seconds(86_400, 1, YEAR)),
  pollMs: (option) => option.number(250, 50, 10_000, 'Write milliseconds, such as'),
  staleSeconds: (option) => option.seconds(5, 1, 300),
  backChannelLogout: optional((option) => option.section(BACK_CHANNEL_LOGOUT_OPTIONS)),
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

/** Only characters that no URL parser changes. */
const PATH = /^(?:\/[\w~-][\w.~-]*)+$/;

function readPath(option: OptionReader): string {
  const write = 'Write a path below that of the resource, such as "/backchannel-logout"';
  const path = option.requiredText(write);
  if (path !== '' && !PATH.test(path)) {
    option.refuse({ why: 'must begin with a slash, end without one, and have only letters, digits and -._~', write });
  }
  return path;
}

function readClientIds(option: OptionReader): (issuer: string) => unknown {
  const { value } = option;
  if (typeof value === 'function') return (issuer) => (value as (issuer: string) => unknown)(issuer);
  const write = 'Write the client IDs that clients have at the authorization server, such as ["mcp-client"]';
  if (!option.isGiven) option.refuse({ why: 'it is required: a logout token is for one client', write });
  const clientIds = option.asList().texts(write) ?? [];
  return () => clientIds;
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
