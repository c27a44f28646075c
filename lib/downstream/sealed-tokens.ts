import { isRecord, ownMember } from '../core/record.js';
import type { SealedValues } from '../shared-state/sealed-values.js';
import { isSendableToken } from './sendable-token.js';
import type { TokenPlace } from './shared-token-places.js';

/** A token as replicas share it. Times are in milliseconds since the epoch. */
export interface SharedToken {
  readonly token: string;
  /** When it was requested. */
  readonly at: number;
  /** Until when the replica that requested it uses it again. */
  readonly until: number;
}

/** What {@link SealedTokens.open} found. */
export interface OpenedToken extends SharedToken {
  readonly generation: string;
}

/** The generation under which a value was kept, and the sealed token. */
const VALUE = /^([\w-]{22})\.([\w-]+)$/;

/** In characters. */
const MAX_LENGTH = 24_064;

/** Seals tokens for one place and one generation: an entry that was moved, changed or cut opens nowhere. */
export class SealedTokens {
  constructor(private readonly values: SealedValues<object>) {}

  seal(token: SharedToken, place: TokenPlace, generation: string): string {
    return `${generation}.${this.values.seal(token, boundTo(place, generation))}`;
  }

  /**
   * What was sealed for this place.
   *
   * @throws {TypeError} for anything else. The message contains nothing of it.
   */
  open(value: string, place: TokenPlace): OpenedToken {
    const [, generation = '', sealed] = (value.length <= MAX_LENGTH && VALUE.exec(value)) || [];
    const entry: unknown = this.values.open(sealed, boundTo(place, generation));
    if (entry === undefined) throw new TypeError(NOT_READABLE);
    const [token, at, until] = isRecord(entry) ? ['token', 'at', 'until'].map((name) => ownMember(entry, name)) : [];
    if (isSendableToken(token) && isTime(at) && isTime(until)) return { token, at, until, generation };
    throw new TypeError('an entry is sealed, but has another form than those of this version');
  }
}

const NOT_READABLE =
  'an entry was changed, was moved, or was sealed with another secret: see whether all replicas have the same secret, and who can write to the store';

function boundTo({ owner, key }: TokenPlace, generation: string): string {
  return JSON.stringify([owner, key, generation]);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
