import { Injectable } from '@nestjs/common';
import type { ConsentedTokenStore } from 'nestjs-mcp-auth';

/** Keeps tokens in memory. In production, a table with the columns owner, target and token; encrypt the last one. */
// #region store
@Injectable()
export class MemoryTokenStore implements ConsentedTokenStore {
  readonly #tokens = new Map<string, unknown>();

  get(owner: string, to: string): unknown {
    return this.#tokens.get(`${owner} ${to}`);
  }

  set(owner: string, to: string, token: unknown): void {
    this.#tokens.set(`${owner} ${to}`, token);
  }

  delete(owner: string, to: string): void {
    this.#tokens.delete(`${owner} ${to}`);
  }
}
// #endregion
