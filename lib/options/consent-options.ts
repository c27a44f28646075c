import type { ConsentedTokenStore } from '../shared-state/consented-token-store.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { boundedAnswer } from './bounded-answer.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readReplayStore } from './replay-store-option.js';
import { readSecrets } from './secret-option.js';
import { readUrl } from './url-option.js';

/** How users consent at third parties (URL mode elicitation). */
export interface ConsentOptions {
  /**
   * The page of the application that signs the user in and calls `McpAuthConsents.open`: https, or http on loopback. Links to it
   * have the parameter `consent`.
   */
  url: string;
  /**
   * Seals links and states: at least 32 characters that nobody can guess, the same on every replica. While you
   * change it, write the new one first, and then the old one.
   */
  secret: string | string[];
  /**
   * For how long a link can be opened, and for how long the user may then take at the third party; in seconds, 60 to 3600.
   * @default 600
   */
  seconds?: number;
  /**
   * Keeps what users allowed. `McpAuthConsents.tokenFor` needs it. A call that takes longer than five seconds fails.
   * @default none
   */
  tokenStore?: ConsentedTokenStore;
  /**
   * Remembers which links were finished. Let replicas share one: otherwise each of them accepts a link once.
   * @default the memory of this process
   */
  replayStore?: ReplayStore;
}

/** The settings for consents, with every default filled in. */
export interface ResolvedConsent {
  readonly url: string;
  readonly secret: readonly [string, ...string[]];
  readonly seconds: number;
  readonly tokenStore: ConsentedTokenStore | undefined;
  readonly replayStore: ReplayStore | undefined;
}

/** The most that `seconds` can be. */
export const MAX_CONSENT_SECONDS = 3_600;

export const CONSENT_OPTIONS = {
  url: readPage,
  secret: readSecrets,
  seconds: (option) => option.seconds(600, 60, MAX_CONSENT_SECONDS),
  tokenStore: readTokenStore,
  replayStore: readReplayStore,
} satisfies ReadersOf<ConsentOptions>;

/** The settings for consents; undefined if the application asks for none. */
export const readConsent = optional((option): ResolvedConsent => option.section(CONSENT_OPTIONS));

function readPage(option: OptionReader): string {
  const url = readUrl(option);
  if (url === '') return url;
  const { hash, searchParams } = new URL(url);
  if (hash !== '' || searchParams.has('consent')) {
    const why = 'it has a fragment, or the parameter consent, which links to it get';
    option.refuse({ why, write: 'Write it without, such as "https://mcp.example.com/connect"' });
  }
  return url;
}

function readTokenStore(option: OptionReader): ConsentedTokenStore | undefined {
  const { value } = option;
  if (!option.isGiven) return undefined;
  if (isStore(value)) {
    // The options are frozen, but the store keeps state.
    return {
      get: (owner, to) => boundedAnswer(value.get(owner, to)),
      set: (owner, to, token) => boundedAnswer(value.set(owner, to, token)),
      delete: (owner, to) => boundedAnswer(value.delete(owner, to)),
    };
  }
  const why = 'must have the methods get(owner, to), set(owner, to, token) and delete(owner, to)';
  option.refuse({ why, write: 'Write a ConsentedTokenStore, or leave it out' });
  return undefined;
}

/** A Map has methods of these names, but no place for the third party. */
function isStore(value: unknown): value is ConsentedTokenStore {
  if (typeof value !== 'object' || value === null || value instanceof Map) return false;
  const { get, set, delete: forget } = value as { readonly [Name in keyof ConsentedTokenStore]?: unknown };
  return [get, set, forget].every((method) => typeof method === 'function');
}
