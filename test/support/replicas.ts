import { TestIssuer } from 'nestjs-mcp-auth/testing';
import type { RevocationOptions } from 'nestjs-mcp-auth';
import { closeAtOnce, startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';
import { SharedRevocations } from './shared-revocations.js';

/** Servers with one issuer and one store of revocations, as replicas of one application have them. */
export class Replicas {
  readonly store = new SharedRevocations();
  readonly running: NotesServer[] = [];

  private constructor(
    readonly platform: Platform,
    readonly issuer: TestIssuer,
    private readonly settings: NotesServerSettings,
    private readonly revocation: RevocationOptions,
  ) {}

  static async of(
    platform: Platform,
    settings: NotesServerSettings = {},
    revocation: RevocationOptions = {},
  ): Promise<Replicas> {
    let now = (): number => Date.now();
    const issuer = await TestIssuer.start({ alg: 'ES256', now: () => now() });
    const replicas = new Replicas(platform, issuer, settings, revocation);
    now = () => replicas.now;
    return replicas;
  }

  async start(): Promise<NotesServer> {
    const { settings, store, revocation, issuer } = this;
    const server = await startNotesServer(this.platform, {
      ...settings,
      sharedIssuer: issuer,
      options: { ...settings.options, revocation: { store, ...revocation } },
    });
    this.running.push(server);
    return server;
  }

  /** The time of the issuer, which is that of the first replica; in milliseconds since the epoch. */
  get now(): number {
    return this.running[0]?.clock.now ?? Date.now();
  }

  /** A token that every running replica accepts. */
  mint(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return this.issuer.mint({ aud: this.running.map(({ resource }) => resource), ...claims });
  }

  /** Moves the clocks of all replicas, so that they ask the store. */
  advance(milliseconds: number): void {
    for (const { clock } of this.running) clock.now += milliseconds;
  }

  async stop(server: NotesServer): Promise<void> {
    this.running.splice(this.running.indexOf(server), 1);
    await closeAtOnce(server);
  }

  async close(): Promise<void> {
    for (let [first] = this.running; first; [first] = this.running) await this.stop(first);
    await this.issuer.close();
  }
}

/** Asks until the answer has this status, and returns it. */
export async function untilStatus(ask: () => Promise<Response>, status: number): Promise<Response> {
  for (let tries = 0; ; tries += 1) {
    const response = await ask();
    if (response.status === status) return response;
    await response.text();
    if (tries === 300) throw new Error(`The status stays ${response.status}, and never becomes ${status}`);
  }
}
