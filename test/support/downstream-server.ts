import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Controller, Get } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { McpController, Tool } from '@rekog/mcp-nest';
import { decodeJwt, type JWTPayload } from 'jose';
import { z } from 'zod';
import { McpAuthDownstream, Public, type DownstreamOptions, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer, type TestIssuerOptions } from 'nestjs-mcp-auth/testing';
import { LoopbackServer } from './loopback-server.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';

/** A request that reached an API. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  /** The DPoP proof; undefined for none. */
  readonly proof: string | undefined;
  readonly body: string;
}

/** An API on real HTTP, which accepts only tokens for itself. It answers whose token it got. */
export class CalendarApi {
  readonly calls: ApiCall[] = [];
  /** Answers a request instead of the API, from the next one on; false if it does not. */
  answer: (request: IncomingMessage, response: ServerResponse, call: ApiCall) => boolean = () => false;
  readonly #server = new LoopbackServer(createServer((request, response) => void this.#handle(request, response)));

  static async start(): Promise<CalendarApi> {
    const api = new CalendarApi();
    await api.#server.listen();
    return api;
  }

  get origin(): string {
    return this.#server.origin;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { method = '', url: path = '', headers } = request;
    const token = /^(?:Bearer|DPoP) (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    const proof = headers['dpop'] as string | undefined;
    const call = { method, path, token, proof, body };
    this.calls.push(call);
    if (this.answer(request, response, call)) return;
    const claims = token === '' ? {} : decodeJwt(token);
    const isForThis = [claims.aud].flat().includes(AUDIENCE);
    response.writeHead(isForThis ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isForThis ? { owner: claims.sub, act: (claims as JWTPayload)['act'] } : {}));
  }
}

/** What the API calls itself. */
export const AUDIENCE = 'https://calendar.example.com';

/** A notes server with tools that call an API. */
export interface DownstreamServer extends NotesServer {
  readonly api: CalendarApi;
}

export interface DownstreamSettings {
  /** Changes the options of the API `calendar`. */
  readonly calendar?: Partial<DownstreamOptions>;
  /** Further APIs. */
  readonly others?: Record<string, DownstreamOptions>;
  readonly issuer?: TestIssuerOptions;
  readonly options?: NotesServerSettings['options'];
  /** What the test has started, and closes itself. */
  readonly started?: { readonly issuer: TestIssuer; readonly api: CalendarApi };
}

/** The entry of the API `calendar`, exchanged at this issuer. */
export function calendarAt(
  issuer: TestIssuer,
  api: CalendarApi,
  changes: Partial<DownstreamOptions> = {},
): DownstreamOptions {
  const { clientId, clientSecret } = issuer.tokenClient;
  return {
    grant: 'token-exchange',
    clientId,
    auth: { method: 'client_secret_basic', clientSecret },
    audience: AUDIENCE,
    scopes: ['calendar.read'],
    origins: [api.origin],
    ...changes,
  };
}

/**
 * Starts a notes server whose tools call an API: `events` by `fetch`, `token` by `tokenFor` (it answers the token, as no real tool
 * may), each with the argument `url` or `name`. The route GET `/calendar` does the same as `events`; `/public` without a caller.
 */
export async function startDownstreamServer(
  platform: Platform,
  settings: DownstreamSettings = {},
): Promise<DownstreamServer> {
  const api = settings.started?.api ?? (await CalendarApi.start());
  let now = (): number => Date.now();
  const issuer =
    settings.started?.issuer ??
    (await TestIssuer.start({ alg: 'ES256', tokenEndpoint: true, now: () => now(), ...settings.issuer }));

  @McpController()
  class CalendarTools {
    constructor(private readonly downstream: McpAuthDownstream) {}

    @Tool({ name: 'events', description: 'Calls the API', parameters: z.object({ url: z.string().optional() }) })
    async events(@Payload() { url }: { url?: string }): Promise<object> {
      const response = await this.downstream.fetch('calendar', url ?? `${api.origin}/events`);
      return { content: [{ type: 'text', text: `${response.status} ${await response.text()}` }] };
    }

    @Tool({ name: 'token', description: 'The token itself', parameters: z.object({ name: z.string() }) })
    async token(@Payload() { name }: { name: string }): Promise<object> {
      return { content: [{ type: 'text', text: await this.downstream.tokenFor(name) }] };
    }
  }

  @Controller()
  class CalendarController {
    constructor(private readonly downstream: McpAuthDownstream) {}

    @Get('calendar')
    async events(): Promise<unknown> {
      const response = await this.downstream.fetch('calendar', `${api.origin}/events`);
      return response.json();
    }

    @Get('public')
    @Public()
    async open(): Promise<unknown> {
      return this.downstream.tokenFor('calendar');
    }
  }

  const options = {
    authorizationServers: [issuer.issuer],
    downstream: { calendar: calendarAt(issuer, api, settings.calendar), ...settings.others },
    ...settings.options,
  } as Partial<McpAuthModuleOptions>;
  const server = await startNotesServer(platform, {
    sharedIssuer: issuer,
    options,
    controllers: [CalendarTools, CalendarController],
  });
  now = (): number => server.clock.now;
  const close = async (): Promise<void> => {
    await server.close();
    if (settings.started) return;
    await issuer.close();
    await api.close();
  };
  return { ...server, api, close };
}

/** The text of the result of a tool, as JSON or as an event stream. */
export async function textOfTool(response: Response): Promise<string> {
  const body = await response.text();
  const json = body.startsWith('{') ? body : (/^data: (.+)$/m.exec(body)?.[1] ?? '{}');
  const { result } = JSON.parse(json) as { result?: { content?: { text?: string }[] } };
  return result?.content?.[0]?.text ?? body;
}
