import { describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { McpController, Prompt, Resource, Tool } from '@rekog/mcp-nest';
import { defer, type Observable } from 'rxjs';
import { McpAuthError, RequireScopes, type McpAuthErrorCode, type McpAuthReason } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { expectRefusal, messagesOf, metadataUrlOf } from '../support/expectations.js';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { resultOf, challengesOf } from '../support/tool-results.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('A McpAuthError of the application, on %s', (platform) => {
  const REFUSALS: [code: McpAuthErrorCode, reason: McpAuthReason, scopes: string[]][] = [
    ['authorization_required', 'handler_unauthenticated', []],
    ['invalid_token', 'verifier_failed', []],
    ['insufficient_scope', 'scope_missing', ['a', 'late']],
    ['access_denied', 'policy_denied', []],
    ['temporarily_unavailable', 'issuer_unreachable', []],
  ];
  const STATUS = {
    authorization_required: { status: 401 },
    invalid_token: { status: 401, error: 'invalid_token' },
    insufficient_scope: { status: 403, error: 'insufficient_scope', scope: 'a late' },
    access_denied: { status: 403 },
    temporarily_unavailable: { status: 503 },
  } as const;
  type Code = keyof typeof STATUS;

  const UNCHALLENGED: ReadonlySet<McpAuthErrorCode> = new Set(['access_denied', 'temporarily_unavailable']);
  const isChallenged = (code: McpAuthErrorCode): boolean => !UNCHALLENGED.has(code);

  const refuse = (code: string): never => {
    const [, reason, scopes] = REFUSALS.find(([known]) => known === code) as (typeof REFUSALS)[number];
    const cause = new Error('inner');
    throw new McpAuthError(code as McpAuthErrorCode, reason, { scopes, retryAfterSeconds: 7, cause });
  };

  @Controller('late')
  class LateController {
    @Get('authorization_required')
    required(): void {
      refuse('authorization_required');
    }

    @Get('invalid_token')
    async invalid(): Promise<void> {
      await Promise.resolve();
      refuse('invalid_token');
    }

    @Get('insufficient_scope')
    @RequireScopes('a')
    insufficient(): Observable<never> {
      return defer(() => refuse('insufficient_scope'));
    }

    @Get('access_denied')
    denied(): void {
      refuse('access_denied');
    }

    @Get('temporarily_unavailable')
    unavailable(): void {
      refuse('temporarily_unavailable');
    }
  }

  @McpController()
  class LateTools {
    @Tool({ name: 'late-authorization_required', description: 'Refuses' })
    @RequireScopes('a')
    required(): object {
      return refuse('authorization_required');
    }

    @Tool({ name: 'late-invalid_token', description: 'Refuses' })
    @RequireScopes('a')
    async invalid(): Promise<object> {
      await Promise.resolve();
      return refuse('invalid_token');
    }

    @Tool({ name: 'late-insufficient_scope', description: 'Refuses' })
    @RequireScopes('a')
    insufficient(): object {
      return refuse('insufficient_scope');
    }

    @Tool({ name: 'late-access_denied', description: 'Refuses' })
    @RequireScopes('a')
    denied(): object {
      return refuse('access_denied');
    }

    @Tool({ name: 'late-temporarily_unavailable', description: 'Refuses' })
    @RequireScopes('a')
    unavailable(): object {
      return refuse('temporarily_unavailable');
    }

    @Tool({ name: 'undecorated', description: 'Refuses, without a decorator' })
    undecorated(): object {
      return refuse('insufficient_scope');
    }

    @Resource({ name: 'late', uri: 'late://resource', mimeType: 'text/plain' })
    @RequireScopes('a')
    resource(): object {
      return refuse('insufficient_scope');
    }

    @Prompt({ name: 'late', description: 'Refuses' })
    @RequireScopes('a')
    prompt(): object {
      return refuse('access_denied');
    }
  }

  let server: NotesServer;
  let token: string;
  const start = async (settings: NotesServerSettings = {}): Promise<void> => {
    server = await startNotesServer(platform, { issuer, controllers: [LateController, LateTools], ...settings });
    token = await server.mint({ scope: 'a' });
  };

  it.each(REFUSALS.map(([code]) => code as Code))('becomes the answer to an HTTP request: %s', async (code) => {
    await start();
    try {
      const response = await fetch(`${server.origin}/late/${code}`, { headers: bearer(token) });
      expect(response.headers.get('retry-after')).toBe('7');
      // The route has a scope of its own where the error names scopes.
      await expectRefusal(server, response, { ...STATUS[code], token });
    } finally {
      await server.close();
    }
  });

  it.each(REFUSALS.map(([code]) => code as Code))('becomes the answer to the call of a tool: %s', async (code) => {
    await start();
    try {
      const response = await server.callTool(`late-${code}`, token);
      const { status, ...params } = STATUS[code];
      expect([response.status, response.headers.get('cache-control')]).toEqual([status, 'no-store']);
      const challenges = parseChallenges(response.headers.get('www-authenticate') ?? []);
      const expected = { scheme: 'Bearer', params: { scope: 'a', ...params } };
      expect(challenges).toMatchObject(isChallenged(code) ? [expected] : []);
      const [message] = messagesOf(await response.text());
      expect(message).toMatchObject({ result: { isError: true } });
      expect(JSON.stringify(message)).not.toContain('inner');
    } finally {
      await server.close();
    }
  });

  it.each([
    ['that act on tool results', { options: { challenge: 'tool-result' } }, 'application/json'],
    ['that are answered with a stream', { transport: { enableJsonResponse: false } }, 'text/event-stream'],
  ] as const)('becomes the result of a tool for clients %s', async (_what, settings, type) => {
    await start(settings);
    try {
      for (const [code] of REFUSALS) {
        const response = await server.callTool(`late-${code}`, token);
        expect(response.headers.get('content-type')).toContain(type);
        const result = await resultOf(response);
        const sentence = expect.stringMatching(/^(?:The|Authorization) [^"\\]+\.$/);
        expect(result).toMatchObject({ isError: true, content: [{ type: 'text', text: sentence }] });
        const { status: _status, ...params } = STATUS[code as Code];
        const resource_metadata = metadataUrlOf(server.resource);
        const expected = isChallenged(code) ? [{ scheme: 'Bearer', params: { ...params, resource_metadata } }] : [];
        expect(challengesOf(result)).toMatchObject(expected);
        expect(JSON.stringify(result)).not.toContain('inner');
      }
    } finally {
      await server.close();
    }
  });

  it('becomes a JSON-RPC error of a resource or prompt, which have no results with errors', async () => {
    await start();
    try {
      const read = await server.rpc('resources/read', { uri: 'late://resource' }, bearer(token));
      expect(read.status).toBe(403);
      expect(messagesOf(await read.text())).toMatchObject([
        { error: { code: 403, message: expect.stringContaining('lacks a scope') } },
      ]);
      const [challenge] = parseChallenges(read.headers.get('www-authenticate') as string);
      expect(challenge?.params).toMatchObject({ error: 'insufficient_scope', scope: 'a late' });
      const prompted = await server.rpc('prompts/get', { name: 'late' }, bearer(token));
      expect(prompted.status).toBe(403);
      expect(messagesOf(await prompted.text())).toMatchObject([
        { error: { code: 403, message: expect.stringContaining('not permitted') } },
      ]);
    } finally {
      await server.close();
    }
  });

  it('becomes the answer to a tool without a decorator where global filters hold for MCP handlers', async () => {
    await start({ inheritAppConfig: true });
    try {
      const response = await server.callTool('undecorated', token);
      const [challenge] = parseChallenges(response.headers.get('www-authenticate') ?? []);
      expect([response.status, challenge?.params]).toMatchObject([
        403,
        { error: 'insufficient_scope', scope: 'a late' },
      ]);
    } finally {
      await server.close();
    }
  });

  it('is masked by the MCP framework where nothing binds the filter to the tool', async () => {
    await start();
    try {
      const result = await resultOf(await server.callTool('undecorated', token));
      expect(result).toEqual({ isError: true, content: [{ type: 'text', text: 'Internal server error' }] });
    } finally {
      await server.close();
    }
  });
});
