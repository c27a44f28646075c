import { McpAuthDownstream, type DownstreamOptions, type DownstreamTokenStore } from 'nestjs-mcp-auth';
import { TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { principalKeyOf } from '../../lib/caller/caller.js';
import {
  CalendarApi,
  startDownstreamServer,
  textOfTool,
  type DownstreamServer,
  type DownstreamSettings,
} from './downstream-server.js';
import { closeAtOnce } from './notes-server.js';
import type { Platform } from './platforms.js';

/** The secret of all replicas. */
export const SECRET = 'canary-secret-of-the-shared-cache-0123456789';

export interface DownstreamReplicasSettings {
  /** Changes the options of the API `calendar`. */
  readonly calendar?: Partial<DownstreamOptions>;
  readonly options?: DownstreamSettings['options'];
  readonly issuer?: TestIssuerOptions;
  /** The secret of each replica. @default {@link SECRET} */
  readonly secrets?: readonly [one: string | string[], other: string | string[]];
  /** Changes the options of the API at the second replica only. */
  readonly calendarOfOther?: Partial<DownstreamOptions>;
}

/** Two servers with one issuer and one API, which share tokens through these stores. */
export class DownstreamReplicas {
  private constructor(
    readonly issuer: TestIssuer,
    readonly api: CalendarApi,
    readonly one: DownstreamServer,
    readonly other: DownstreamServer,
  ) {}

  static async start(
    platform: Platform,
    stores: readonly [DownstreamTokenStore, DownstreamTokenStore],
    settings: DownstreamReplicasSettings = {},
  ): Promise<DownstreamReplicas> {
    let now = (): number => Date.now();
    const issuer = await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true, now: () => now(), ...settings.issuer });
    const api = await CalendarApi.start();
    const { secrets = [SECRET, SECRET], calendar, options } = settings;
    const start = (index: 0 | 1, more: Partial<DownstreamOptions> = {}): Promise<DownstreamServer> =>
      startDownstreamServer(platform, {
        started: { issuer, api },
        calendar: { sharedCache: { store: stores[index], secret: secrets[index] }, ...calendar, ...more },
        ...(options && { options }),
      });
    const one = await start(0);
    const other = await start(1, settings.calendarOfOther);
    other.clock.now = one.clock.now;
    now = () => one.clock.now;
    return new DownstreamReplicas(issuer, api, one, other);
  }

  /** A token of a user that both replicas accept. */
  mint(sub: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return this.issuer.mint({ aud: [this.one.resource, this.other.resource], sub, ...claims });
  }

  /** The token for the API that a replica uses for a caller. */
  async tokenAt(replica: DownstreamServer, caller: string): Promise<string> {
    return textOfTool(await replica.callTool('token', caller, { name: 'calendar' }));
  }

  /** What a request to the API answers to a caller of a replica. */
  async eventsAt(replica: DownstreamServer, caller: string): Promise<string> {
    return textOfTool(await replica.callTool('events', caller));
  }

  forgetAt(replica: DownstreamServer, sub: string): Promise<void> {
    return replica.app.get(McpAuthDownstream).forget(principalKeyOf(this.issuer.issuer, sub, undefined));
  }

  /** Number of tokens that were requested. */
  get requested(): number {
    return this.issuer.requests.filter(({ endpoint }) => endpoint === 'token').length;
  }

  /** Moves the clocks of both. */
  advance(milliseconds: number): void {
    for (const { clock } of [this.one, this.other]) clock.now += milliseconds;
  }

  async close(): Promise<void> {
    await closeAtOnce(this.one);
    await closeAtOnce(this.other);
    await this.issuer.close();
    await this.api.close();
  }
}
