import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  All,
  Catch,
  Controller,
  HttpStatus,
  Injectable,
  Module,
  VersioningType,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type MiddlewareConsumer,
  type NestInterceptor,
  type NestModule,
  type PipeTransform,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import express from 'express';
import { map } from 'rxjs';
import { Public } from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import {
  ROOT,
  BASE,
  DOCUMENT,
  type Setup,
  start,
  stop,
  request,
  field,
  expectDocument,
  preflightOf,
  expectNothing,
} from '../support/metadata-app.js';

/** A guard, pipe, filter or interceptor of the application that metadata must not meet. */
const refuseAll: CanActivate = { canActivate: () => false };

const rejectAll: PipeTransform = {
  transform: () => {
    throw new Error('The pipe ran');
  },
};

const wrapAll: NestInterceptor = { intercept: (_, next) => next.handle().pipe(map((data: unknown) => ({ data }))) };

@Catch()
@Injectable()
class TeapotFilter implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}
  catch(_: unknown, host: ArgumentsHost): void {
    this.host.httpAdapter.reply(host.switchToHttp().getResponse(), { teapot: true }, HttpStatus.I_AM_A_TEAPOT);
  }
}

@Controller()
class CatchAllController {
  @All('*')
  @Public()
  any(): object {
    return { caught: true };
  }
}

@Controller('.well-known')
class WellKnownParameterController {
  @All(':name/:suffix')
  @Public()
  any(): object {
    return { caught: true };
  }
}

@Controller({ host: 'mcp.example.com' })
class HostController {
  @All('*')
  @Public()
  any(): object {
    return { caught: true };
  }
}

@Module({})
class TenancyModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply((_: unknown, response: { statusCode: number; end(): void }) => {
        response.statusCode = 400;
        response.end();
      })
      .forRoutes('*');
  }
}

type Middleware = (
  request: unknown,
  response: { setHeader(name: string, value: string): void },
  next: () => void,
) => void;

/** The headers that helmet sets by default and that a browser could take for a ban. */
const helmet: Middleware = (_, response, next) => {
  response.setHeader('Content-Security-Policy', "default-src 'self'");
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  next();
};

const SETUPS: readonly [name: string, setup: Setup][] = [
  ['a global prefix', { prepare: (app) => void app.setGlobalPrefix('api') }],
  ['a global prefix with a parameter', { prepare: (app) => void app.setGlobalPrefix('tenants/:tenant') }],
  [
    'a global prefix that excludes other routes',
    { prepare: (app) => void app.setGlobalPrefix('api', { exclude: ['health', '.well-known/other'] }) },
  ],
  ['a global prefix that is the well-known path', { prepare: (app) => void app.setGlobalPrefix('.well-known') }],
  [
    'URI versioning',
    { prepare: (app) => void app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }) },
  ],
  [
    'header versioning',
    {
      prepare: (app) =>
        void app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version', defaultVersion: '1' }),
    },
  ],
  [
    'media type versioning',
    {
      prepare: (app) => void app.enableVersioning({ type: VersioningType.MEDIA_TYPE, key: 'v=', defaultVersion: '1' }),
    },
  ],
  [
    'custom versioning',
    {
      prepare: (app) =>
        void app.enableVersioning({ type: VersioningType.CUSTOM, extractor: () => '7', defaultVersion: '1' }),
    },
  ],
  [
    'a prefix and versioning',
    {
      prepare: (app) => {
        app.setGlobalPrefix('api');
        app.enableVersioning({ type: VersioningType.URI });
      },
    },
  ],
  [
    'a global guard that refuses everything',
    { providers: [{ provide: APP_GUARD, useValue: refuseAll }], prepare: (app) => void app.useGlobalGuards(refuseAll) },
  ],
  [
    'a global interceptor that wraps responses',
    {
      providers: [{ provide: APP_INTERCEPTOR, useValue: wrapAll }],
      prepare: (app) => void app.useGlobalInterceptors(wrapAll),
    },
  ],
  [
    'a global pipe that rejects everything',
    { providers: [{ provide: APP_PIPE, useValue: rejectAll }], prepare: (app) => void app.useGlobalPipes(rejectAll) },
  ],
  ['a global filter that answers every error', { providers: [{ provide: APP_FILTER, useClass: TeapotFilter }] }],
  ['middleware of a module for every route', { imports: [TenancyModule] }],
  ['a controller that takes every path', { controllers: [CatchAllController] }],
  ['a controller with parameters in the well-known path', { controllers: [WellKnownParameterController] }],
  ['a controller bound to a host', { controllers: [HostController] }],
  ['middleware that sets security headers', { prepare: (app) => void app.use(helmet) }],
  ['the security headers of Nest', { prepare: (app) => void app.useSecurityHeaders() }],
  ['the CSRF protection of Nest', { prepare: (app) => void app.enableCsrfProtection() }],
  ['the body parser off', { nest: { bodyParser: false } }],
  ['the raw body kept', { nest: { rawBody: true } }],
  ['CORS on', { prepare: (app) => app.enableCors() }],
  ['CORS on from the start', { nest: { cors: true } }],
  ['shutdown hooks', { prepare: (app) => void app.enableShutdownHooks([]) }],
  [
    'everything at once',
    {
      imports: [TenancyModule],
      controllers: [CatchAllController, WellKnownParameterController],
      providers: [
        { provide: APP_GUARD, useValue: refuseAll },
        { provide: APP_INTERCEPTOR, useValue: wrapAll },
        { provide: APP_PIPE, useValue: rejectAll },
        { provide: APP_FILTER, useClass: TeapotFilter },
      ],
      nest: { bodyParser: false, cors: true },
      prepare: (app) => {
        app.setGlobalPrefix('api');
        app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
        app.use(helmet);
      },
    },
  ],
];

describe.each(PLATFORMS)(
  'section 5, protected resource metadata, on %s: at the root whatever the application does',
  (platform) => {
    afterEach(() => stop());

    it.each(SETUPS)('LIB-04: is served in the same way in an application with %s', async (_, setup) => {
      const { origin } = await start(platform, setup);
      await expectDocument(origin, `${ROOT}/mcp`);
      await expectDocument(origin, ROOT);
    });

    it('LIB-04: does not appear under a prefix or version', async () => {
      const { origin } = await start(platform, {
        prepare: (app) => {
          app.setGlobalPrefix('api');
          app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
        },
      });
      for (const path of [`/api${ROOT}/mcp`, `/api/v1${ROOT}/mcp`, `/v1${ROOT}/mcp`]) await expectNothing(origin, path);
    });

    it('LIB-04: keeps the security headers of the application', async () => {
      const { origin } = await start(platform, { prepare: (app) => void app.use(helmet) });
      const response = await request(origin, 'GET', `${ROOT}/mcp`);
      expect(field(response, 'x-content-type-options')).toEqual(['nosniff']);
    });

    it.each([
      ['another origin', { origin: 'https://app.example.com' }],
      ['another origin, with credentials', { origin: ['https://app.example.com'], credentials: true }],
      ['any origin, reflected', { origin: true, credentials: true }],
      ['no origin', { origin: false }],
      ['other headers and methods', { allowedHeaders: ['x-other'], methods: ['POST'] }],
    ])(
      'LIB-13: lets pages of any origin read the document, with one header, in an application that allows %s',
      async (_, cors) => {
        const { origin } = await start(platform, { prepare: (app) => app.enableCors(cors) });
        const response = await request(origin, 'GET', `${ROOT}/mcp`, ['Origin: https://client.test']);
        expect(field(response, 'access-control-allow-origin')).toEqual(['*']);
      },
    );

    it('LIB-13: leaves preflights to a CORS layer of the application, and lets pages of any origin read all the same', async () => {
      const { origin } = await start(platform, {
        prepare: (app) => app.enableCors({ origin: 'https://app.example.com' }),
      });
      expect(await preflightOf(origin, `${ROOT}/mcp`)).toMatchObject({ origin: ['https://app.example.com'] });
      const get = await request(origin, 'GET', `${ROOT}/mcp`, ['Origin: https://client.test']);
      expect(field(get, 'access-control-allow-origin')).toEqual(['*']);
    });
  },
);

describe.each(PLATFORMS)(
  'section 5, protected resource metadata, on %s: of an MCP server below a prefix',
  (platform) => {
    let server: NotesServer;
    beforeAll(async () => {
      server = await startNotesServer(platform, {
        issuer: { alg: 'ES256' },
        path: '/mcp',
        resourcePath: '/api/v1/mcp',
        prepare: (app) => {
          app.setGlobalPrefix('api');
          app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
        },
      });
    });
    afterAll(() => server.close());

    it('LIB-04: has prefix and version in the path that is inserted, where the challenge says and the document confirms', async () => {
      expect(server.resource).toBe(`${server.origin}/api/v1/mcp`);
      const refused = await server.callTool('ping');
      expect(refused.status).toBe(401);
      const [challenge] = parseChallenges(refused.headers.get('www-authenticate') as string);
      expect(challenge?.params['resource_metadata']).toBe(`${server.origin}${ROOT}/api/v1/mcp`);
      const document = (await (await fetch(challenge?.params['resource_metadata'] as string)).json()) as Record<
        string,
        unknown
      >;
      expect(document).toMatchObject({ resource: server.resource, authorization_servers: [server.issuer.issuer] });
      const served = await server.callTool('ping', await server.mint());
      expect({ status: served.status, ran: server.ran }).toEqual({ status: 200, ran: ['ping'] });
    });
  },
);

describe('section 5, protected resource metadata, of a Nest app that is mounted in an Express app', () => {
  afterEach(() => stop());

  it.each([
    ['the well-known path of the outer app', ROOT],
    ['the root of the outer app', '/'],
  ])('LIB-04: is served at the origin root where %s leads to it', async (_, mounted) => {
    const outer = express();
    const { app } = await start('express', { options: { ...BASE, resource: 'https://mcp.example.com/gateway/mcp' } });
    outer.use('/gateway', app.getHttpAdapter().getInstance());
    outer.use(mounted, app.getHttpAdapter().getInstance());
    const server = outer.listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await expectDocument(origin, `${ROOT}/gateway/mcp`, {
        ...DOCUMENT,
        resource: 'https://mcp.example.com/gateway/mcp',
      });
      await expectNothing(origin, `${ROOT}/mcp`);
    } finally {
      server.close();
    }
  });
});

describe('section 5, protected resource metadata, of a Fastify app with plugins of its own', () => {
  afterEach(() => stop());

  it('LIB-04: is served before the wildcard route of a plugin', async () => {
    const { origin } = await start('fastify', {
      prepare: (app) => {
        const fastify = app.getHttpAdapter().getInstance();
        // Left to the start: the routes of a plugin that is awaited here come before anything that a module does.
        fastify.register(
          (instance: { get(path: string, handler: () => object): void }, _: unknown, done: () => void) => {
            instance.get('/*', () => ({ caught: true }));
            done();
          },
        );
      },
    });
    await expectDocument(origin, `${ROOT}/mcp`);
  });
});
