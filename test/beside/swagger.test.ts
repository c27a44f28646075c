import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Module,
  Post,
  UseGuards,
  Version,
  VersioningType,
  type INestApplication,
} from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { NestFactory } from '@nestjs/core';
import {
  Authorize,
  McpAuthGuard,
  McpAuthModule,
  ProtectedResource,
  Public,
  RequireAnyScope,
  RequireScopes,
  withOpenApiSecurity,
  type OpenApiSecurityOptions,
} from 'nestjs-mcp-auth';
import { startNotesServer, type NotesServer, type NotesServerSettings } from '../support/notes-server.js';
import { adapterFor, PLATFORMS, type Platform } from '../support/platforms.js';

@Controller('orders')
@RequireScopes('orders')
class Orders {
  @Get()
  list(): string[] {
    return [];
  }

  @Post()
  @RequireScopes('orders:write')
  add(): void {}

  @Get('any')
  @RequireAnyScope('orders:any', 'orders:all')
  any(): void {}

  @Get('open')
  @Public()
  open(): void {}

  @Get('policy')
  @Authorize(() => true)
  policy(): void {}
}

/** Has the methods of its base class: the same functions, with other scopes of the class. */
@Controller('archive')
@RequireScopes('archive')
class Archive extends Orders {}

@Controller('plain')
class Plain {
  @Get('undecorated')
  @ApiOperation({ operationId: 'same' })
  undecorated(): void {}

  @Get('bound')
  @UseGuards(McpAuthGuard)
  @ApiOperation({ operationId: 'same' })
  bound(): void {}

  @Get('documented')
  @RequireScopes('a')
  @ApiBearerAuth()
  documented(): void {}

  @Get('own')
  @ApiBearerAuth()
  own(): void {}

  @Get('versioned')
  @Version('2')
  @RequireScopes('v2')
  versioned(): void {}
}

const CONFIG = new DocumentBuilder().setTitle('Orders').addBearerAuth();

function documentOf(app: INestApplication, config = CONFIG, options?: OpenApiSecurityOptions): OpenAPIObject {
  return withOpenApiSecurity(app, () => SwaggerModule.createDocument(app, config.build()), options);
}

/** What the document says of GET at a path, or of another method. */
function securityAt({ paths }: OpenAPIObject, path: string, method: 'get' | 'post' = 'get'): unknown {
  const operation = paths[path]?.[method];
  expect(operation).toBeDefined();
  return operation!.security;
}

const SETTINGS: NotesServerSettings = {
  issuer: { alg: 'ES256' },
  controllers: [Orders, Archive, Plain],
  prepare: (app) => void app.enableVersioning({ type: VersioningType.URI }),
};

describe.each(PLATFORMS)('An OpenAPI document of @nestjs/swagger, on %s', (platform) => {
  describe('with the global guard', () => {
    let server: NotesServer;
    let document: OpenAPIObject;
    beforeAll(async () => {
      server = await startNotesServer(platform, { ...SETTINGS, options: { scopes: { required: ['base'] } } });
      document = documentOf(server.app);
    });
    afterAll(() => server.close());

    it('has the scopes of class, method and resource', () => {
      expect(securityAt(document, '/orders')).toEqual([{ 'mcp-auth': ['base', 'orders'] }]);
      expect(securityAt(document, '/orders', 'post')).toEqual([{ 'mcp-auth': ['base', 'orders', 'orders:write'] }]);
      expect(securityAt(document, '/orders/policy')).toEqual([{ 'mcp-auth': ['base', 'orders'] }]);
      expect(securityAt(document, '/v2/plain/versioned')).toEqual([{ 'mcp-auth': ['base', 'v2'] }]);
      expect(securityAt(document, '/mcp', 'post')).toEqual([{ 'mcp-auth': ['base'] }]);
    });

    it('has one alternative for each scope of which one is enough', () => {
      expect(securityAt(document, '/orders/any')).toEqual([
        { 'mcp-auth': ['base', 'orders', 'orders:any'] },
        { 'mcp-auth': ['base', 'orders', 'orders:all'] },
      ]);
    });

    it('tells a subclass from its base class, though both have the same methods', () => {
      expect(securityAt(document, '/archive')).toEqual([{ 'mcp-auth': ['base', 'archive'] }]);
      expect(securityAt(document, '/archive', 'post')).toEqual([{ 'mcp-auth': ['base', 'archive', 'orders:write'] }]);
    });

    it('has nothing for public routes, and the baseline where nothing is declared', () => {
      expect(securityAt(document, '/orders/open')).toBeUndefined();
      expect(securityAt(document, '/plain/undecorated')).toEqual([{ 'mcp-auth': ['base'] }]);
    });

    it('keeps what the application declares: both must hold', () => {
      expect(securityAt(document, '/plain/documented')).toEqual([{ bearer: [], 'mcp-auth': ['base', 'a'] }]);
    });

    it('agrees with what the guard does', async () => {
      const asking = async (path: string, method: string, token?: string): Promise<number> => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        return (await fetch(server.origin + path, { method, headers })).status;
      };
      const nobody = await server.mint({ scope: '' });
      for (const [path, item] of Object.entries(document.paths)) {
        if (path === '/mcp') continue;
        for (const [method, { security = [] }] of Object.entries(item as Record<string, { security?: object[] }>)) {
          const [needed] = security as { 'mcp-auth'?: string[] }[];
          const scopes = needed?.['mcp-auth'];
          const verb = method.toUpperCase();
          expect([path, verb, await asking(path, verb)]).toEqual([path, verb, scopes ? 401 : expect.any(Number)]);
          if (!scopes) expect(await asking(path, verb)).toBeLessThan(300);
          else {
            expect([path, await asking(path, verb, nobody)]).toEqual([path, 403]);
            const token = await server.mint({ scope: scopes.join(' ') });
            expect([path, verb, await asking(path, verb, token)]).toEqual([path, verb, verb === 'POST' ? 201 : 200]);
          }
        }
      }
    });

    it('says where clients get tokens', () => {
      expect(document.components?.securitySchemes).toEqual({
        bearer: expect.anything(),
        'mcp-auth': {
          type: 'openIdConnect',
          openIdConnectUrl: `${server.issuer.issuer}/.well-known/openid-configuration`,
        },
      });
    });

    it('keeps a scheme of the same name that the application describes', () => {
      const described = new DocumentBuilder().addOAuth2({ type: 'oauth2', flows: {}, description: 'Ours' }, 'company');
      const other = documentOf(server.app, described, { schemeName: 'company' });
      expect(other.components?.securitySchemes).toEqual({
        company: { type: 'oauth2', flows: {}, description: 'Ours' },
      });
      expect(securityAt(other, '/orders')).toEqual([{ company: ['base', 'orders'] }]);
    });

    it('combines with what the document requires of all operations', () => {
      const strict = new DocumentBuilder().addApiKey({ type: 'apiKey' }, 'key').addSecurityRequirements('key');
      const other = documentOf(server.app, strict);
      expect(securityAt(other, '/orders')).toEqual([{ key: [], 'mcp-auth': ['base', 'orders'] }]);
      expect(securityAt(other, '/orders/open')).toBeUndefined();
      expect(other.security).toEqual([{ key: [] }]);
    });

    it('leaves no trace: a document without the function is as before', () => {
      const plain = SwaggerModule.createDocument(server.app, CONFIG.build());
      expect(JSON.stringify(plain)).not.toMatch(/mcp-auth/);
      expect(securityAt(plain, '/plain/documented')).toEqual([{ bearer: [] }]);
      expect(JSON.stringify(document)).not.toContain('nestjs-mcp-auth');
      expect(() =>
        withOpenApiSecurity(server.app, () => {
          throw new Error('no document');
        }),
      ).toThrow('no document');
      expect(SwaggerModule.createDocument(server.app, CONFIG.build())).toEqual(plain);
    });

    it('is refused where it was not created in the function', () => {
      const before = SwaggerModule.createDocument(server.app, CONFIG.build());
      expect(() => withOpenApiSecurity(server.app, () => before)).toThrow(
        /saw a document without marks; the marks say which handler.*SwaggerModule\.createDocument\(app, config\)/,
      );
      expect(() => withOpenApiSecurity(server.app, () => Promise.resolve(before))).toThrow(/not a promise/);
      expect(() => documentOf(server.app, CONFIG, { schemeName: 'two words' })).toThrow(/schemeName.*saw "two words"/);
    });
  });

  it('names only guarded routes where the guard is not global', async () => {
    const server = await startNotesServer(platform, { ...SETTINGS, options: { globalGuard: 'mcp' } });
    const document = documentOf(server.app);
    expect(securityAt(document, '/plain/undecorated')).toBeUndefined();
    expect(securityAt(document, '/plain/own')).toEqual([{ bearer: [] }]);
    expect(securityAt(document, '/plain/bound')).toEqual([{ 'mcp-auth': [] }]);
    expect(securityAt(document, '/orders', 'post')).toEqual([{ 'mcp-auth': ['orders', 'orders:write'] }]);
    expect(securityAt(document, '/orders/open')).toBeUndefined();
    expect(securityAt(document, '/mcp', 'post')).toEqual([{ 'mcp-auth': [] }]);
    await server.close();
  });

  it('lets callers without a token reach MCP where they may', async () => {
    const server = await startNotesServer(platform, { ...SETTINGS, options: { allowAnonymous: true } });
    const document = documentOf(server.app);
    expect(securityAt(document, '/mcp', 'post')).toEqual([{ 'mcp-auth': [] }, {}]);
    expect(securityAt(document, '/plain/undecorated')).toEqual([{ 'mcp-auth': [] }]);
    await server.close();
  });

  it('is served by SwaggerModule.setup()', async () => {
    const server = await startNotesServer(platform, {
      ...SETTINGS,
      prepare: (app) => {
        // #region setup
        const config = new DocumentBuilder().setTitle('Orders').build();
        const createDocument = () => withOpenApiSecurity(app, () => SwaggerModule.createDocument(app, config));
        // #endregion
        SwaggerModule.setup('api', app, createDocument, { swaggerUiEnabled: false });
      },
    });
    const document = (await (await fetch(`${server.origin}/api-json`)).json()) as OpenAPIObject;
    expect(securityAt(document, '/orders')).toEqual([{ 'mcp-auth': ['orders'] }]);
    await server.close();
  });
});

describe('An OpenAPI document of an application with several issuers and resources', () => {
  async function documentOfSeveral(platform: Platform): Promise<OpenAPIObject> {
    const login = 'https://login.example.com';
    const metadata = {
      issuer: login,
      authorization_endpoint: `${login}/authorize`,
      token_endpoint: `${login}/token`,
      jwks_uri: `${login}/jwks`,
    };
    @Controller('a')
    @ProtectedResource('a')
    class A {
      @Get()
      @RequireScopes('x')
      get(): void {}
    }

    @Controller('b')
    @ProtectedResource('b')
    class B {
      @Get()
      get(): void {}
    }

    @Module({
      imports: [
        McpAuthModule.forRoot({
          checkAuthorizationServers: false,
          resources: [
            {
              id: 'a',
              resource: 'https://mcp.example.com/a',
              authorizationServers: [{ issuer: login, metadata }],
            },
            {
              id: 'b',
              resource: 'https://mcp.example.com/b',
              authorizationServers: [
                { issuer: 'https://other.example.com/tenant', discovery: 'oauth' },
                { issuer: 'https://third.example.com/tenant' },
              ],
            },
          ],
        }),
      ],
      controllers: [A, B],
    })
    class App {}
    const app = await NestFactory.create(App, adapterFor(platform), { logger: false });
    await app.init();
    const document = documentOf(app, new DocumentBuilder());
    await app.close();
    return document;
  }

  it.each(PLATFORMS)('has a scheme for each, of which one is enough, on %s', async (platform) => {
    const document = await documentOfSeveral(platform);
    expect(securityAt(document, '/a')).toEqual([{ 'mcp-auth': ['x'] }]);
    expect(securityAt(document, '/b')).toEqual([{ 'mcp-auth-2': [] }, { 'mcp-auth-3': [] }]);
    expect(document.components?.securitySchemes).toEqual({
      'mcp-auth': {
        type: 'oauth2',
        flows: {
          authorizationCode: {
            authorizationUrl: 'https://login.example.com/authorize',
            tokenUrl: 'https://login.example.com/token',
            scopes: { x: '' },
          },
        },
      },
      'mcp-auth-2': {
        type: 'openIdConnect',
        openIdConnectUrl: 'https://other.example.com/.well-known/oauth-authorization-server/tenant',
      },
      'mcp-auth-3': {
        type: 'openIdConnect',
        openIdConnectUrl: 'https://third.example.com/tenant/.well-known/openid-configuration',
      },
    });
  });

  it('is refused without the module', async () => {
    @Module({})
    class Empty {}
    const app = await NestFactory.create(Empty, adapterFor('express'), { logger: false });
    expect(() => documentOf(app)).toThrow(/withOpenApiSecurity\(\) in an application without McpAuthModule/);
    await app.close();
  });
});
