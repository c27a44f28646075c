import 'reflect-metadata';
import { Controller, Module, Post, type INestApplication, type ModuleMetadata, type Type } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { McpAuthModule } from 'nestjs-mcp-auth';
import { openLogs, RECORDER } from './support/notes-server.js';
import { adapterFor, listen, PLATFORMS } from './support/platforms.js';

interface AnyRequest {
  readonly url: string;
  readonly method: string;
  readonly socket: AnySocket;
  destroy(error: Error): void;
}

interface AnySocket {
  readonly encrypted: boolean;
  readonly authorized: boolean;
  readonly remoteAddress: string;
  address(): { readonly port: number };
  setTimeout(milliseconds: number): AnySocket;
  getPeerCertificate(): object;
  destroy(error: Error): void;
  end(text: string): void;
}

interface AnyResponse {
  writeHead(status: number, headers?: Record<string, string>): void;
  writeEarlyHints(hints: Record<string, string>): void;
  end(text?: string): void;
  destroy(error: Error): void;
}

type Middleware = (request: AnyRequest, response: AnyResponse, next: () => void) => void;

const SERVER = { authorizationServers: ['https://login.example.com'] };

@Controller('mcp')
class Mcp {
  @Post()
  post(): object {
    return {};
  }
}

let app: INestApplication | undefined;
const log: string[] = [];
afterEach(async () => {
  await app?.close();
  app = undefined;
  openLogs.delete(log);
  log.length = 0;
});

describe.each(PLATFORMS)('LIB-21: the question at the start, on %s', (platform) => {
  async function start(options: object, metadata: ModuleMetadata, middleware?: Middleware): Promise<string> {
    @Module({
      ...metadata,
      imports: [
        McpAuthModule.forRoot({ checkAuthorizationServers: false, ...options } as never),
        ...(metadata.imports ?? []),
      ],
    })
    class AppModule {}
    openLogs.add(log);
    app = await NestFactory.create<INestApplication>(AppModule, adapterFor(platform), {
      logger: RECORDER,
      abortOnError: false,
    });
    if (middleware) app.use(middleware);
    await listen(app);
    return log.join('\n');
  }

  const behind = (middleware: Middleware, resource = 'https://127.0.0.1:3000/mcp'): Promise<string> =>
    start({ resource, ...SERVER }, { controllers: [Mcp] }, middleware);

  it('has what middleware uses of a connection', async () => {
    const seen: unknown[] = [];
    const said = await behind(({ socket }, _response, next) => {
      setImmediate(() => {
        seen.push([
          socket.address().port,
          socket.encrypted,
          socket.authorized,
          socket.getPeerCertificate(),
          socket.setTimeout(1) === socket,
        ]);
        next();
      });
    });
    expect(seen).toEqual(Array.from({ length: 2 }, () => [0, true, false, {}, true]));
    expect(said).not.toMatch(/the resource/);
  });

  it.each<[string, Middleware]>([
    ['the connection', ({ socket }) => socket.destroy(new Error('go away'))],
    ['the request', (request) => request.destroy(new Error('go away'))],
    ['the response', (_request, response) => response.destroy(new Error('go away'))],
    [
      'a stream that has begun',
      (_request, response) => {
        response.writeHead(500);
        response.destroy(new Error('go away'));
      },
    ],
  ])('ends nothing else, and waits for nothing, where a middleware destroys %s', async (_what, middleware) => {
    const said = await behind(middleware);
    expect(said).toMatch(/POST \/mcp, the resource .*(gave no answer|is answered with 500)/);
  });

  it('takes what is written to the connection itself for what it is', async () => {
    const said = await behind(({ socket }) => socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n'));
    expect(said).toMatch(/POST \/mcp.*is answered with 403 before McpAuthGuard is asked/);
  });

  it('goes on after early hints', async () => {
    const said = await behind((_request, response, next) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      next();
    });
    expect(said).not.toMatch(/the resource/);
  });

  it('takes no page for MCP, such as an application answers whatever it has no route for with', async () => {
    const page: Middleware = ({ url }, response, next) => {
      if (url !== '/') return next();
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end('<!doctype html>');
    };
    expect(await behind(page, 'https://127.0.0.1:3000')).toMatch(
      /POST \/, the resource .*is answered with 200 before McpAuthGuard is asked/,
    );
  });

  it('finds a server with sessions that answers in a form of its own what belongs to none', async () => {
    const serve: Middleware = (request, response) => {
      let body = '';
      const stream = request as unknown as NodeJS.ReadableStream;
      stream.on('data', (chunk) => (body += String(chunk)));
      stream.on('end', () => {
        const isInitialize = body.includes('"initialize"');
        response.writeHead(isInitialize ? 200 : 404, { 'content-type': 'application/json' });
        response.end('{}');
      });
    };
    const resource = 'https://127.0.0.1:3000/mcp';
    const started = start({ resource, ...SERVER }, { controllers: [] }, serve);
    await expect(started).rejects.toThrow(/POST \/mcp: saw an answer with status 200/);
  });

  it('holds off the start no longer for several resources than for one', async () => {
    const waiting = new Set<string>();
    const resources = ['a', 'b', 'c', 'd'].map((id) => ({ id, resource: `https://127.0.0.1:3000/${id}`, ...SERVER }));
    // Each is asked while the others have no answer.
    const middleware: Middleware = ({ method, url }, response) => {
      waiting.add(`${method} ${url}`);
      if (waiting.size === resources.length * 2 + 1) response.end();
    };
    const said = await start({ resources }, { controllers: [] }, middleware);
    expect([...waiting].toSorted()).toEqual([
      'GET /a',
      'GET /b',
      'GET /c',
      'GET /d',
      'POST /a',
      'POST /b',
      'POST /c',
      'POST /d',
      'POST /mcp',
    ]);
    expect(said).toMatch(/POST \/d, the resource .*gave no answer at the start/);
  });

  describe('to a global guard of passport', () => {
    /** As much as `AuthGuard()` of `@nestjs/passport` has that others have not. */
    abstract class PassportGuard {
      handleRequest(): void {}
      getAuthenticateOptions(): void {}
      abstract canActivate(context: {
        switchToHttp(): {
          getResponse(): { redirect(url: string): void; setHeader?(name: string, value: string): void };
        };
      }): unknown;
    }

    const withGuard = (guard: Type): Promise<string> => {
      @Module({ providers: [{ provide: APP_GUARD, useClass: guard }] })
      class Passport {}
      return start({ resource: 'https://127.0.0.1:3000/mcp', ...SERVER }, { controllers: [Mcp], imports: [Passport] });
    };

    it('is a refusal where the guard sends people to a login page, which it cannot do here', async () => {
      class LoginGuard extends PassportGuard {
        canActivate(context: Parameters<PassportGuard['canActivate']>[0]): Promise<boolean> {
          const response = context.switchToHttp().getResponse();
          // As strategies do: nothing is said to whoever waits.
          setImmediate(() => {
            response.setHeader?.('set-cookie', 'state=1');
            response.redirect('/login');
          });
          return new Promise(() => undefined);
        }
      }
      expect(await withGuard(LoginGuard)).toMatch(/The global guard LoginGuard refuses POST \/mcp, too/);
    });

    it('is given up where the guard never says anything', async () => {
      class SilentGuard extends PassportGuard {
        canActivate(): Promise<boolean> {
          return new Promise(() => undefined);
        }
      }
      expect(await withGuard(SilentGuard)).not.toMatch(/SilentGuard/);
    });
  });
});
