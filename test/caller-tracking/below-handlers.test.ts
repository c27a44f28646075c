import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, Post } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import { defer, delay, type Observable } from 'rxjs';
import { AuthInfo, McpAuthService, Public, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { resultOf } from '../support/tool-results.js';

const issuer = { alg: 'ES256' } as const;
const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

describe.each(PLATFORMS)('The caller, below a handler, on %s', (platform) => {
  /** A service that knows of requests only what McpAuthService tells it. */
  @Injectable()
  class LedgerService {
    constructor(@Inject(McpAuthService) private readonly mcpAuth: McpAuthService) {}

    /** In turns, so that concurrent calls mix. */
    async owner(turns: number): Promise<string | undefined> {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      return this.mcpAuth.authInfo?.subject;
    }
  }

  @McpController()
  class LedgerTools {
    constructor(@Inject(LedgerService) private readonly ledger: LedgerService) {}

    @Tool({ name: 'owner', description: 'By McpAuthService' })
    async owner(): Promise<object> {
      const owners = await Promise.all([1, 20, 5].map((turns) => this.ledger.owner(turns)));
      return text(JSON.stringify(owners));
    }

    @Tool({ name: 'scoped-owner', description: 'By McpAuthService, in a decorated tool' })
    @RequireScopes('a')
    async scopedOwner(): Promise<object> {
      return text(JSON.stringify(await this.ledger.owner(10)));
    }

    @Tool({ name: 'subject', description: 'By @AuthInfo()' })
    subject(
      @AuthInfo('subject') subject: string,
      @AuthInfo('issuer') iss: string,
      @AuthInfo('scopes') scopes: string[],
      @AuthInfo('token') token: string,
      @AuthInfo() auth: McpAuthInfo,
    ): object {
      const same = { subject: auth.subject, iss: auth.issuer, scopes: auth.scopes, token: auth.token };
      return text(JSON.stringify([{ subject, iss, scopes, token }, same]));
    }
  }

  @Controller('ledger')
  class LedgerController {
    constructor(@Inject(LedgerService) private readonly ledger: LedgerService) {}

    @Get()
    async owner(): Promise<object> {
      return { owner: await this.ledger.owner(10) };
    }

    @Get('observable')
    observable(): Observable<object> {
      return defer(async () => ({ owner: await this.ledger.owner(3) })).pipe(delay(0));
    }

    @Get('open')
    @Public()
    async open(): Promise<object> {
      return { owner: (await this.ledger.owner(3)) ?? null };
    }

    @Post('parameters')
    parameters(@AuthInfo('subject') subject: string, @AuthInfo('principalKey') key: string): object {
      return { subject, key };
    }
  }

  let server: NotesServer;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.origin + path, { headers });

  beforeAll(async () => {
    const settings: NotesServerSettings = { providers: [LedgerService], controllers: [LedgerTools, LedgerController] };
    server = await startNotesServer(platform, { issuer, ...settings });
  });
  afterAll(() => server.close());

  it('is known to a service that a tool awaits, and not mixed up among concurrent calls', async () => {
    const subjects = Array.from({ length: 12 }, (_, index) => `user-${index}`);
    const results = await Promise.all(
      subjects.map(async (sub, index) => {
        const token = await server.mint({ sub, scope: 'a' });
        return resultOf(await server.callTool(index % 2 === 0 ? 'owner' : 'scoped-owner', token));
      }),
    );
    const owners = results.map(({ content }) => [JSON.parse(content[0]?.text ?? '') as string | string[]].flat());
    expect(owners).toEqual(subjects.map((sub, index) => (index % 2 === 0 ? [sub, sub, sub] : [sub])));
  });

  it('is known to a service below an HTTP handler, awaited or run when an observable is subscribed to', async () => {
    const headers = bearer(await server.mint());
    for (const path of ['/ledger', '/ledger/observable']) {
      expect(await (await get(path, headers)).json()).toEqual({ owner: 'alice' });
    }
  });

  it('is unknown on public routes, and outside of requests', async () => {
    expect(await (await get('/ledger/open', bearer(await server.mint()))).json()).toEqual({ owner: null });
    expect(server.app.get(McpAuthService).authInfo).toBeUndefined();
  });

  it('is injected by @AuthInfo(), whole or one property of it, the token included', async () => {
    const token = await server.mint({ scope: 'a b' });
    const { content } = await resultOf(await server.callTool('subject', token));
    const [properties, whole] = JSON.parse(content[0]?.text ?? '') as object[];
    expect(properties).toEqual({ subject: 'alice', iss: server.issuer.issuer, scopes: ['a', 'b'], token });
    expect(whole).toEqual(properties);
    const response = await fetch(`${server.origin}/ledger/parameters`, { method: 'POST', headers: bearer(token) });
    expect(await response.json()).toEqual({ subject: 'alice', key: expect.stringMatching(/^[\w-]{43}$/) });
  });
});
