import { Controller, Get, Headers, Inject, Param, Query } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { McpController, Prompt, Tool } from '@rekog/mcp-nest';
import { z } from 'zod';
import {
  AuthInfo,
  McpAuthConsents,
  Public,
  RequireScopes,
  type ConsentedTokenStore,
  type ConsentOptions,
  type ConsentRequest,
  type ConsentUser,
  type McpAuthInfo,
} from 'nestjs-mcp-auth';
import { McpCaller, type RpcReply } from './mcp-caller.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from './notes-server.js';
import type { Platform } from './platforms.js';

export const CONSENT_SECRET = 'a secret of this test that nobody can guess';

/** What a user has allowed, by owner and third party. */
export class TokenTable implements ConsentedTokenStore {
  readonly rows = new Map<string, unknown>();

  get(owner: string, to: string): unknown {
    return this.rows.get(`${owner} ${to}`);
  }

  async set(owner: string, to: string, token: unknown): Promise<void> {
    this.rows.set(`${owner} ${to}`, token);
  }

  async delete(owner: string, to: string): Promise<void> {
    this.rows.delete(`${owner} ${to}`);
  }
}

/** Stands for the session of a browser: who is signed in, as the application knows. */
function userIn(cookie = ''): ConsentUser {
  return JSON.parse(decodeURIComponent(cookie.replace('user=', ''))) as ConsentUser;
}

@Controller()
class ConsentPages {
  constructor(@Inject(McpAuthConsents) private readonly consents: McpAuthConsents) {}

  @Get('connect')
  @Public()
  open(@Query('consent') link: unknown, @Headers('cookie') cookie: string): object {
    return this.consents.open(link, userIn(cookie));
  }

  @Get('connect/:to')
  @Public()
  async finish(
    @Param('to') to: string,
    @Query('state') state: unknown,
    @Query('code') code: unknown,
    @Headers('cookie') cookie: string,
  ): Promise<object> {
    const finished = await this.consents.finish(state, userIn(cookie), to);
    await finished.keep(`token for ${String(code)}`);
    return finished;
  }

  @Get('route')
  async route(@AuthInfo() caller: McpAuthInfo): Promise<object> {
    return { token: await this.consents.tokenFor(caller, { to: 'acme' }) };
  }
}

const ARGUMENTS = z.object({ to: z.string().optional(), message: z.string().optional() });

@McpController()
class ConsentTools {
  constructor(@Inject(McpAuthConsents) private readonly consents: McpAuthConsents) {}

  @Tool({ name: 'token', description: 'A token of a third party', parameters: ARGUMENTS })
  async token(@Payload() args: { to?: string; message?: string }, @AuthInfo() caller: McpAuthInfo): Promise<object> {
    return { token: await this.consents.tokenFor(caller, { to: 'acme', ...args }) };
  }

  @Tool({ name: 'scoped-token', description: 'The same, with a scope', parameters: ARGUMENTS })
  @RequireScopes('a')
  async scoped(@AuthInfo() caller: McpAuthInfo): Promise<object> {
    return { token: await this.consents.tokenFor(caller, { to: 'acme' }) };
  }

  @Tool({ name: 'link', description: 'A link, answered in another way', parameters: ARGUMENTS })
  link(@Payload() args: { to?: string; message?: string }, @AuthInfo() caller: McpAuthInfo): object {
    return this.consents.begin(caller, { to: 'acme', ...args });
  }

  @Tool({ name: 'lookalike', description: 'A link for what only looks like a caller' })
  lookalike(@AuthInfo() caller: McpAuthInfo): object {
    return this.consents.begin({ ...caller, resource: caller.resource } as McpAuthInfo, { to: 'acme' });
  }

  @Tool({ name: 'keep', description: 'Keeps another token' })
  async keep(@AuthInfo() caller: McpAuthInfo): Promise<object> {
    await this.consents.keepToken(caller, 'acme', 'refreshed');
    return { kept: true };
  }

  @Tool({ name: 'forget', description: 'Forgets the token' })
  async forget(@AuthInfo() caller: McpAuthInfo): Promise<object> {
    await this.consents.forgetToken(caller, 'acme');
    return { forgotten: true };
  }

  @Prompt({ name: 'ask', description: 'Needs a token' })
  async ask(@AuthInfo() caller: McpAuthInfo): Promise<object> {
    const token = await this.consents.tokenFor<string>(caller, { to: 'acme' });
    return { messages: [{ role: 'user', content: { type: 'text', text: token } }] };
  }
}

/** The JSON-RPC error that makes a client send its user to a URL. */
export interface ElicitationError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly elicitations: readonly ConsentRequest[] };
}

/** A server whose tools need the consent of their user at a third party. Requests to its pages name who is signed in. */
export interface ConsentServer {
  readonly server: NotesServer;
  readonly tokens: TokenTable;
  /** Calls a tool as this user, with MCP 2025-11-25. */
  call(tool: string, user: string, args?: object): Promise<RpcReply>;
  /** The link that a tool asks this user to open. */
  link(user: string, args?: object): Promise<string>;
  /** Opens a URL of this server in a browser where this user is signed in. */
  visit(url: string | URL, user: string, issuer?: string): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Returns from the third party with a state. */
  finish(state: unknown, user: string, to?: string): Promise<{ status: number; body: Record<string, unknown> }>;
  close(): Promise<void>;
}

export async function startConsentServer(
  platform: Platform,
  consent: Partial<ConsentOptions> = {},
  settings: NotesServerSettings = {},
): Promise<ConsentServer> {
  const tokens = new TokenTable();
  const options = {
    consent: { url: 'http://127.0.0.1/connect', secret: CONSENT_SECRET, tokenStore: tokens, ...consent },
    ...settings.options,
  };
  const controllers = [ConsentPages, ConsentTools, ...(settings.controllers ?? [])];
  const server = await startNotesServer(platform, { ...settings, options, controllers });
  const call: ConsentServer['call'] = async (name, sub, args = {}) =>
    new McpCaller(server.resource, await server.mint({ sub })).ask('tools/call', { name, arguments: args });
  const visit: ConsentServer['visit'] = async (url, subject, issuer = server.issuer.issuer) => {
    const cookie = `user=${encodeURIComponent(JSON.stringify({ issuer, subject }))}`;
    const { pathname, search } = new URL(url, server.origin);
    const response = await fetch(`${server.origin}${pathname}${search}`, { headers: { cookie } });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    server,
    tokens,
    call,
    visit,
    link: async (user, args) => elicitationIn(await call('token', user, args)).url,
    finish: (state, user, to = 'acme') =>
      visit(`/connect/${to}?${new URLSearchParams({ state: String(state), code: user })}`, user),
    close: () => server.close(),
  };
}

/** The request to open a URL in the answer of a tool. */
export function elicitationIn({ error }: RpcReply): ConsentRequest {
  const [request] = (error as ElicitationError | undefined)?.data.elicitations ?? [];
  if (request) return request;
  throw new Error(`The answer asks for nothing: ${JSON.stringify(error)}`);
}
