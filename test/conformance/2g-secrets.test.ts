import { inspect } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, Logger, type LogLevel } from '@nestjs/common';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  AuthInfo,
  Authorize,
  McpAuthError,
  McpAuthService,
  RequireScopes,
  type McpAuthInfo,
  type PolicyContext,
} from 'nestjs-mcp-auth';
import { ACCESS_TOKEN, API_KEY, ASSERTION, OTHER_KEY, testCredentials } from '../support/api-keys.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { expectNoTrace } from '../support/expectations.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { minutes, BAD_TOKENS } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const text = (value: string): object => ({ content: [{ type: 'text', text: value }] });

/** Tokens that are good, and say unusual things. */
const GOOD_TOKENS: [what: string, make: (server: NotesServer) => Promise<string>][] = [
  ['a plain token', (server) => server.mint()],
  ['a token with scopes', (server) => server.mint({ scope: 'a b' })],
  ['a token of a client for itself', (server) => server.mint({ sub: 'test-client' })],
  ['a token on behalf of somebody', (server) => server.mint({ act: { sub: 'robot' } })],
  ['a token of type JWT', (server) => server.mint({ scope: 'a' }, { header: { typ: 'JWT' } })],
  ['a token for several audiences', (server) => server.mint({ aud: [server.resource, 'https://elsewhere.example'] })],
  ['a token about to expire', (server) => server.mint({ exp: minutes(server, 0) + 1 })],
];

describe.each(PLATFORMS)('2. Secrets, on %s', (platform) => {
  const LEVELS: LogLevel[] = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'];
  const CONSOLE = ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table'] as const;

  /** What an application does with the caller and with errors, secrets not in mind. */
  @McpController()
  class CarelessTools {
    readonly #logger = new Logger('CarelessTools');

    @Tool({ name: 'careless', description: 'Logs the caller' })
    careless(@AuthInfo() auth: McpAuthInfo): object {
      this.#logger.log(auth);
      this.#logger.error(`caller: ${JSON.stringify(auth)}`, { ...auth });
      console.log(auth, structuredClone({ ...auth, resource: undefined }));
      return text('logged');
    }

    @Tool({ name: 'failing', description: 'Fails' })
    failing(): object {
      throw new Error('out of order');
    }

    @Tool({ name: 'late-refusal', description: 'Refuses by itself' })
    @RequireScopes('a')
    lateRefusal(): object {
      throw new McpAuthError('access_denied', 'policy_denied', { cause: new Error('because') });
    }

    @Tool({ name: 'failing-policy', description: 'Its policy fails' })
    @Authorize(({ auth }: PolicyContext) => {
      throw new Error(`no decision about ${auth.subject}`);
    })
    failingPolicy(): object {
      return text('never');
    }
  }

  /** Everything that reaches the outside of the process while this runs. */
  async function capturing(run: () => Promise<void>): Promise<string> {
    const written: string[] = [];
    const record = (...values: unknown[]): void => {
      written.push(...values.map((value) => (typeof value === 'string' ? value : inspectFully(value))));
    };
    const spies = [
      ...CONSOLE.map((method) => jest.spyOn(console, method).mockImplementation(record)),
      ...[process.stdout, process.stderr].map((stream) =>
        jest.spyOn(stream, 'write').mockImplementation((chunk: unknown) => {
          record(String(chunk));
          return true;
        }),
      ),
    ];
    try {
      await run();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return written.join('\n');
  }

  const COMMON_TOOLS = ['ping', 'whoami', 'read-note', 'forbidden', 'nowhere'];
  const CARELESS_TOOLS = ['careless', 'failing', 'late-refusal', 'failing-policy'];

  const requests = (server: NotesServer, token: string): (() => Promise<Response>)[] => [
    ...[...COMMON_TOOLS, ...CARELESS_TOOLS].map((name) => () => server.callTool(name, token)),
    () => server.rpc('tools/list', {}, bearer(token)),
    () => server.rpc('foo/bar', {}, bearer(token)),
    () => fetch(`${server.origin}/plain`, { headers: bearer(token) }),
    () => fetch(`${server.origin}/nowhere`, { headers: bearer(token) }),
    () => fetch(`${server.origin}/open?access_token=${token}`, { headers: bearer(token) }),
    () => fetch(server.resource, { method: 'POST', headers: { ...JSON_HEADERS, ...bearer(token) }, body: '{"broken' }),
  ];

  it.each(['a logger of the application', 'the logger of NestJS'])(
    'RFC9700-4.9.2-a: lets no token out, good or bad, with %s at every level',
    async (which) => {
      let server!: NotesServer;
      const tokens: string[] = [];
      const answers: string[] = [];
      const written = await capturing(async () => {
        server = await startNotesServer(platform, {
          issuer,
          controllers: [CarelessTools],
          options: { exposeErrorDetails: true },
          prepare: (app) => {
            if (which === 'a logger of the application') return;
            app.useLogger(new ConsoleLogger({ logLevels: LEVELS, colors: false }));
          },
        });
        const all = [...BAD_TOKENS, ...GOOD_TOKENS];
        for (const [, make] of all) {
          const token = await make(server);
          tokens.push(token);
          for (const send of requests(server, token)) {
            const response = await send();
            answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`);
          }
        }
        // While the keys cannot be had, too.
        server.issuer.fail('error');
        server.clock.now += 24 * 3_600_000;
        const undecided = await server.mint({ sub: 'undecided' });
        tokens.push(undecided);
        answers.push(await (await server.callTool('ping', undecided)).text());
        await server.close();
      });
      const log = which === 'a logger of the application' ? server.log.join('\n') : written;
      // What was captured is what there was: refusals, failures, and what the application itself logged.
      for (const line of ['Refused 401', 'Refused 403', 'Refused 503', 'out of order', 'caller: ']) {
        expect(log).toContain(line);
      }
      const outbound = JSON.stringify(server.issuer.requests);
      expect(server.issuer.requestCount('jwks')).toBeGreaterThan(0);
      for (const token of tokens) {
        expectNoTrace(token, { written, log: server.log.join('\n'), answers: answers.join('\n'), outbound });
      }
    },
    60_000,
  );

  it('RFC9700-4.9.2-a: lets no credential of the application out, known, unknown or undecided', async () => {
    const credentials = testCredentials();
    const service = (server: NotesServer): McpAuthService => server.app.get(McpAuthService);
    let server!: NotesServer;
    const answers: string[] = [];
    const printed: string[] = [];
    const unknown = 'unknown/key+of=nobody-0123456789';
    const secrets = [API_KEY, OTHER_KEY, ASSERTION, ACCESS_TOKEN, unknown, `pat_${unknown}`];
    const headers = [
      ...[API_KEY, OTHER_KEY, unknown, `${API_KEY},${OTHER_KEY}`, `${API_KEY}"`].map((key) => ({ 'x-api-key': key })),
      { 'x-gateway': ASSERTION },
      { 'x-gateway': ASSERTION, 'x-api-key': API_KEY },
      ...[ACCESS_TOKEN, `pat_${unknown}`].map((token) => bearer(token)),
    ] as Record<string, string>[];
    const written = await capturing(async () => {
      server = await startNotesServer(platform, {
        issuer,
        controllers: [CarelessTools],
        options: { exposeErrorDetails: true, credentials: credentials.options },
        prepare: (app) => app.useLogger(new ConsoleLogger({ logLevels: LEVELS, colors: false })),
      });
      const subscription = service(server).events$.subscribe((event) => printed.push(JSON.stringify(event)));
      const failing = (credential: string): never => {
        throw new Error(`cannot look up ${credential}, nor ${encodeURIComponent(credential)}`);
      };
      const wrong = (credential: string): never =>
        ({ subject: 'alice', claims: credential, scopes: [credential] }) as never;
      for (const answer of [undefined, failing, wrong]) {
        credentials.answer = answer;
        for (const sent of headers) {
          for (const name of [...COMMON_TOOLS, ...CARELESS_TOOLS]) {
            const response = await server.callTool(name, undefined, {}, sent);
            answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`);
          }
        }
        const result: unknown = await service(server)
          .verify(ACCESS_TOKEN)
          .catch((error: unknown) => error);
        // The cause of an error is what the application threw itself.
        if (answer !== failing) printed.push(inspectFully(result));
        printed.push(String(result), JSON.stringify(result), inspectFully({ ...(result as object) }));
        server.clock.now += 60_000;
      }
      subscription.unsubscribe();
      await server.close();
    });
    for (const line of ['Refused 400', 'Refused 401', 'Refused 403', 'Refused 503', 'caller: ', 'cannot look up']) {
      expect(written).toContain(line);
    }
    for (const secret of secrets) {
      expectNoTrace(secret, { written, answers: answers.join('\n'), printed: printed.join('\n') });
    }
  }, 60_000);

  it('RFC9700-4.9.2-a: keeps tokens out of errors, whichever way they are printed', async () => {
    const server = await startNotesServer(platform, { issuer });
    try {
      const service = server.app.get(McpAuthService);
      for (const [what, make] of BAD_TOKENS) {
        const token = await make(server);
        const error: unknown = await service.verify(token).catch((reason: unknown) => reason);
        expect([what, error]).toEqual([what, expect.any(McpAuthError)]);
        const { stack } = error as Error;
        expectNoTrace(token, { printed: inspectFully(error), json: JSON.stringify(error), stack: String(stack) });
      }
      const good = await server.mint();
      const auth = await service.verify(good);
      expect(auth.token).toBe(good);
      expectNoTrace(good, {
        printed: inspectFully(auth),
        json: JSON.stringify(auth),
        spread: inspectFully({ ...auth }),
      });
    } finally {
      await server.close();
    }
  });
});

function inspectFully(value: unknown): string {
  return inspect(value, { depth: Infinity, maxStringLength: Infinity });
}
