import type { StoredRevocation } from '../shared-state/revocation-store.js';
import type { RevocationSubject } from './revocation-subject.js';

/** Something that ends when its token is revoked, such as a stream. */
interface Watch {
  readonly subject: RevocationSubject;
  /** Must not throw. */
  readonly end: () => void;
}

/** How often revocations are removed whose tokens have expired, in milliseconds. */
const SWEEP_MS = 60_000;

/** The last version of any list. */
let lastVersion = 0;

/**
 * The revocations that are in force, in the memory of this process. An entry takes about 250 bytes. There is no limit, since a
 * forgotten revocation would let its tokens in again: only the application and its authorization servers can add to it.
 */
export class RevocationList {
  readonly #entries = new Map<string, StoredRevocation>();
  readonly #watches = new Set<Watch>();
  #sweptAt = -Infinity;
  /** Another one after each change. */
  #version = (lastVersion += 1);

  constructor(
    /** Milliseconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** Number of revocations. */
  get size(): number {
    return this.#entries.size;
  }

  /** Those whose tokens may still be in use. */
  inForce(): StoredRevocation[] {
    const now = this.now();
    return [...this.#entries.values()].filter(({ until }) => now < until);
  }

  /** The revocation of this key; undefined if there is none. */
  get(key: string): StoredRevocation | undefined {
    return this.#entries.get(key);
  }

  /** Adds revocations, and ends what is in use of their tokens. Of two with one key, the greatest times count. */
  add(added: readonly StoredRevocation[]): void {
    this.#sweep();
    for (const one of added) {
      if (this.now() < one.until) this.#entries.set(one.key, joined(one, this.#entries.get(one.key)));
    }
    if (added.length === 0) return;
    this.#version = lastVersion += 1;
    for (const watch of this.#watches) {
      if (!this.isRevoked(watch.subject)) continue;
      this.#watches.delete(watch);
      watch.end();
    }
  }

  isRevoked(subject: RevocationSubject): boolean {
    // Most tokens come many times between two revocations.
    if (subject.clearIn === this.#version) return false;
    for (const key of subject.keys) {
      const entry = this.#entries.get(key);
      if (entry && isIssuedBefore(subject, entry) && this.now() < entry.until) return true;
    }
    subject.clearIn = this.#version;
    return false;
  }

  /**
   * Calls the function as soon as the token is revoked, or now if it already is. The function must not throw.
   *
   * @returns a function that ends the watch
   */
  watch(subject: RevocationSubject, end: () => void): () => void {
    const watch: Watch = { subject, end };
    if (this.isRevoked(subject)) end();
    else this.#watches.add(watch);
    return () => this.#watches.delete(watch);
  }

  #sweep(): void {
    const now = this.now();
    if (Math.abs(now - this.#sweptAt) < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const [key, { until }] of this.#entries) if (now >= until) this.#entries.delete(key);
  }
}

/** A token without `iat` may be older than any revocation. */
function isIssuedBefore({ issuedAt }: RevocationSubject, { issuedBefore }: StoredRevocation): boolean {
  return issuedAt === undefined || issuedAt < issuedBefore;
}

/** One revocation with the greatest times of both. */
export function joined(one: StoredRevocation, other: StoredRevocation | undefined): StoredRevocation {
  if (!other) return one;
  return {
    key: one.key,
    issuedBefore: Math.max(one.issuedBefore, other.issuedBefore),
    until: Math.max(one.until, other.until),
  };
}
