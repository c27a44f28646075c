import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  Controller,
  Get,
  Inject,
  Injectable,
  Post,
  Scope,
  Sse,
  UseFilters,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, HttpAdapterHost } from '@nestjs/core';
import { catchError, map, of, type Observable } from 'rxjs';
import { Authorize, RequireScopes, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { bearer } from '../support/rpc.js';
import { sendRaw } from '../support/raw-http.js';
import { callOf, post } from '../support/challenge-cases.js';

const issuer = { alg: 'ES256' } as const;

describe.each(PLATFORMS)('2. What the framework and the application add, on %s', (platform) => {
  /** Answers everything in a way of its own, as filters of applications do. */
  @Catch()
  class EverythingFilter implements ExceptionFilter {
    constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

    catch(_error: unknown, host: ArgumentsHost): void {
      if (host.getType() !== 'http') return;
      this.host.httpAdapter.reply(host.switchToHttp().getResponse(), { caught: true }, 418);
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerRequestFilter extends EverythingFilter {}

  class WrappingInterceptor implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(
        map((data: unknown) => ({ wrapped: data })),
        catchError(() => of({ swallowed: true })),
      );
    }
  }

  const nothing = (): void => undefined;
  const useEverything = UseFilters(EverythingFilter);

  /** A controller of the same routes everywhere, with or without a filter of its own. */
  const extraController = (onClass: ClassDecorator = nothing, onMethod: MethodDecorator = nothing) => {
    @Controller('extra')
    class ExtraController {
      @Get()
      @onMethod
      get(): object {
        return { ok: true };
      }

      @Post('scoped')
      @onMethod
      @RequireScopes('a', 'b')
      scoped(): object {
        return { ok: true };
      }

      @Get('denied')
      @onMethod
      @Authorize(() => false)
      denied(): object {
        return { ok: true };
      }

      @Sse('events')
      @onMethod
      events(): Observable<object> {
        return of({ data: 'event' });
      }
    }
    onClass(ExtraController);
    return ExtraController;
  };

  const VARIANTS: [what: string, settings: () => NotesServerSettings][] = [
    [
      'a catch-all filter by useGlobalFilters',
      () => ({
        prepare: (app) => {
          app.useGlobalFilters(new EverythingFilter(app.get(HttpAdapterHost)));
        },
      }),
    ],
    ['a catch-all filter by APP_FILTER', () => ({ providers: [{ provide: APP_FILTER, useClass: EverythingFilter }] })],
    [
      'a catch-all filter by APP_FILTER, for each request',
      () => ({ providers: [{ provide: APP_FILTER, useClass: PerRequestFilter, scope: Scope.REQUEST }] }),
    ],
    [
      'a catch-all filter on the classes',
      () => ({ decorateEndpoint: useEverything as ClassDecorator, controllers: [extraController(useEverything)] }),
    ],
    ['a catch-all filter on the methods', () => ({ controllers: [extraController(nothing, useEverything)] })],
    [
      'a wrapping interceptor by useGlobalInterceptors',
      () => ({
        prepare: (app) => {
          app.useGlobalInterceptors(new WrappingInterceptor());
        },
      }),
    ],
    [
      'a wrapping interceptor by APP_INTERCEPTOR',
      () => ({ providers: [{ provide: APP_INTERCEPTOR, useClass: WrappingInterceptor }] }),
    ],
    [
      'a pipe that refuses everything',
      () => ({
        prepare: (app) => {
          app.useGlobalPipes({
            transform: () => {
              throw new BadRequestException();
            },
          });
        },
      }),
    ],
    [
      'all of these, inherited by MCP handlers',
      () => ({
        inheritAppConfig: true,
        decorateEndpoint: useEverything as ClassDecorator,
        controllers: [extraController(useEverything, useEverything)],
        providers: [
          { provide: APP_FILTER, useClass: EverythingFilter },
          { provide: APP_INTERCEPTOR, useClass: WrappingInterceptor },
        ],
      }),
    ],
  ];

  // The same identifiers everywhere, so that answers can be compared whole.
  const resource = 'https://mcp.example.com/mcp';
  let shared: TestIssuer;
  let tokens: { poor: string; expired: string; undecided: string };
  let expected: unknown[];

  const start = (settings: NotesServerSettings): Promise<NotesServer> => {
    const options: Partial<McpAuthModuleOptions> = {
      resource,
      authorizationServers: [shared.issuer, { issuer: 'https://down.example', jwksUri: 'https://127.0.0.1:1/jwks' }],
    };
    return startNotesServer(platform, {
      sharedIssuer: shared,
      options,
      controllers: [extraController()],
      ...settings,
    });
  };

  /** Every kind of refusal on every kind of route, with everything the client sees of it. */
  const refusalsOf = async ({ origin }: NotesServer): Promise<unknown[]> => {
    const credentials = [
      {},
      { authorization: 'Basic eDp5' },
      bearer('garbage'),
      ...[tokens.expired, tokens.undecided, tokens.poor].map(bearer),
    ];
    const requests = credentials.flatMap((headers) => [
      post(`${origin}/mcp`, callOf('write-note'), headers),
      post(`${origin}/mcp`, callOf('forbidden'), headers),
      post(`${origin}/extra/scoped`, {}, headers),
      fetch(`${origin}/extra/denied`, { headers }),
      // No refusal with the last of the credentials.
      ...(headers === credentials.at(-1)
        ? []
        : [
            fetch(`${origin}/mcp`, { headers }),
            fetch(`${origin}/extra`, { headers }),
            fetch(`${origin}/extra/events`, { headers: { ...headers, accept: 'text/event-stream' } }),
          ]),
    ]);
    const repeated = [`Authorization: Bearer ${tokens.poor}`, `Authorization: Bearer ${tokens.poor}`];
    const raw = await sendRaw(origin, { method: 'GET', path: '/extra', headers: repeated });
    const answers = await Promise.all(
      requests.map(async (request) => {
        const response = await request;
        const headers = [...response.headers].filter(([name]) => name !== 'date');
        return { status: response.status, headers, body: await response.text() };
      }),
    );
    const rawHeaders = [...raw.headers].filter(([name]) => name !== 'date');
    return [...answers, { status: raw.status, headers: rawHeaders, body: raw.body }];
  };

  beforeAll(async () => {
    shared = await TestIssuer.start({ ...issuer, audience: resource });
    tokens = {
      poor: await shared.mint({ scope: 'b' }),
      expired: await shared.mint({ exp: 1 }),
      undecided: await shared.mint({ iss: 'https://down.example' }),
    };
    const plain = await start({});
    expected = await refusalsOf(plain);
    await plain.close();
  });
  afterAll(() => shared.close());

  it('LIB-03: has refusals of every status to compare', () => {
    const statuses = (expected as { status: number }[]).map(({ status }) => status);
    expect([...new Set(statuses)].toSorted()).toEqual([400, 401, 403, 503]);
  });

  it.each(VARIANTS)('LIB-03: answers with the same status, headers and body under %s', async (_what, settings) => {
    const server = await start(settings());
    try {
      expect(await refusalsOf(server)).toEqual(expected);
      expect(server.ran).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('LIB-03: has filters and interceptors that would have changed the answers', async () => {
    const server = await start({
      controllers: [extraController(useEverything)],
      providers: [{ provide: APP_INTERCEPTOR, useClass: WrappingInterceptor }],
    });
    try {
      const served = await fetch(`${server.origin}/extra`, { headers: bearer(tokens.poor) });
      expect(await served.json()).toEqual({ wrapped: { ok: true } });
      const missing = await startNotesServer(platform, {
        sharedIssuer: shared,
        options: { audience: resource },
        providers: [{ provide: APP_FILTER, useClass: EverythingFilter }],
      });
      const notFound = await fetch(`${missing.origin}/nowhere`);
      expect([notFound.status, await notFound.json()]).toEqual([418, { caught: true }]);
      await missing.close();
    } finally {
      await server.close();
    }
  });
});
