import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Entry {
  readonly payload: AdapterPayload;
  /** Milliseconds since 1970; `Infinity` for records that live as long as the server. */
  readonly expiresAt: number;
}

/** Far more than one developer needs. Beyond it, the oldest records are dropped. */
const MAX_ENTRIES = 10_000;

/**
 * Stores one kind of record (sessions, grants, codes, …) of one server in memory. Servers share nothing, and all records are
 * lost when the server stops. Replaces the in-memory adapter of the provider, which writes to the console.
 */
export class MemoryAdapter implements Adapter {
  private readonly entries = new Map<string, Entry>();

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    this.entries.delete(id);
    this.entries.set(id, { payload, expiresAt: expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000 });
    if (this.entries.size > MAX_ENTRIES) this.entries.delete(this.entries.keys().next().value ?? '');
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.expiresAt > Date.now()) return entry?.payload;
    this.entries.delete(id);
    return undefined;
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    for (const [id, { payload }] of this.entries) if (payload.uid === uid) return this.find(id);
    return undefined;
  }

  /** Only the device flow calls this, which is off. */
  async findByUserCode(): Promise<undefined> {
    return undefined;
  }

  async consume(id: string): Promise<void> {
    const payload = await this.find(id);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id: string): Promise<void> {
    this.entries.delete(id);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [id, { payload }] of this.entries) if (payload.grantId === grantId) this.entries.delete(id);
  }
}
