import type { DownstreamTokenStore, KeptDownstreamToken } from 'nestjs-mcp-auth';

/** What a store may be asked. */
export type StoreCall = 'get' | 'set' | 'delete' | 'forget';

/** A store of tokens for APIs that several replicas of one test share. Can be made to fail, to hang and to lie. */
export class SharedDownstreamTokens implements DownstreamTokenStore {
  readonly generations = new Map<string, string>();
  /** The values, by owner and key, and how long each is kept. */
  readonly values = new Map<string, { value: string; forMs: number }>();
  /** The calls so far. */
  readonly calls: StoreCall[] = [];
  /** Answers a call instead of the store; undefined if it does not. */
  instead: (call: StoreCall) => unknown = () => undefined;

  async get(owner: string, key: string, generation: string): Promise<KeptDownstreamToken> {
    const instead = await this.#called('get');
    if (instead !== undefined) return instead as KeptDownstreamToken;
    if (!this.generations.has(owner)) this.generations.set(owner, generation);
    return { generation: this.generations.get(owner)!, value: this.values.get(`${owner} ${key}`)?.value };
  }

  async set(owner: string, key: string, value: string, forMs: number): Promise<void> {
    if ((await this.#called('set')) === undefined) this.values.set(`${owner} ${key}`, { value, forMs });
  }

  async delete(owner: string, key: string, value: string): Promise<void> {
    if ((await this.#called('delete')) !== undefined) return;
    if (this.values.get(`${owner} ${key}`)?.value === value) this.values.delete(`${owner} ${key}`);
  }

  async forget(owner: string, generation: string): Promise<void> {
    if ((await this.#called('forget')) === undefined) this.generations.set(owner, generation);
  }

  /** Number of calls of one kind. */
  count(call: StoreCall): number {
    return this.calls.filter((one) => one === call).length;
  }

  /** All that the store was given, as text. */
  get content(): string {
    return JSON.stringify([[...this.generations], [...this.values]]);
  }

  async #called(call: StoreCall): Promise<unknown> {
    this.calls.push(call);
    return this.instead(call);
  }
}
