import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  All,
  Catch,
  Controller,
  Get,
  HttpStatus,
  Injectable,
  Module,
  Post,
  VersioningType,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type INestApplication,
  type MiddlewareConsumer,
  type NestApplicationOptions,
  type NestInterceptor,
  type NestModule,
  type PipeTransform,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, HttpAdapterHost, NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import express from 'express';
import { map } from 'rxjs';
import {
  McpAuthConfigError,
  McpAuthModule,
  Public,
  RequireAnyScope,
  RequireScopes,
  type McpAuthModuleOptions,
  type ResourceMetadataOptions,
} from 'nestjs-mcp-auth';
import { parseChallenges } from 'nestjs-mcp-auth/testing';
import { recorder, type LogLine } from '../support/log-lines.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { adapterFor, listen, PLATFORMS, type Platform } from '../support/platforms.js';
import { sendRaw, type WireResponse } from '../support/raw-http.js';

const ROOT = '/.well-known/oauth-protected-resource';
const RESOURCE = 'https://mcp.example.com/mcp';
const ISSUER = 'https://login.example.com';
const BASE: McpAuthModuleOptions = { resource: RESOURCE, authorizationServers: [ISSUER] };
/** What {@link BASE} leads to: every member, in full. */
const DOCUMENT = { resource: RESOURCE, authorization_servers: [ISSUER], bearer_methods_supported: ['header'] };

/** A NestJS app with this library in it, as `main.ts` would start it. What its resources are called is up to the options. */
interface StartedApp {
  readonly app: INestApplication;
  readonly origin: string;
  readonly log: readonly LogLine[];
}

interface Setup {
  readonly options?: McpAuthModuleOptions;
  readonly controllers?: readonly Type[];
  readonly providers?: readonly Provider[];
  readonly imports?: readonly Type[];
  /** Options of `NestFactory.create`. */
  readonly nest?: NestApplicationOptions;
  /** What `main.ts` does between `create` and `listen`. */
  readonly prepare?: (app: INestApplication) => void | Promise<void>;
}

class AppModule {}

/** What still runs; {@link stop} ends it. */
const running = new Set<INestApplication>();

async function start(platform: Platform, setup: Setup = {}): Promise<StartedApp> {
  const log: LogLine[] = [];
  const root = {
    module: AppModule,
    imports: [
      McpAuthModule.forRoot({ checkAuthorizationServers: false, ...(setup.options ?? BASE) }),
      ...(setup.imports ?? []),
    ],
    controllers: [...(setup.controllers ?? [])],
    providers: [...(setup.providers ?? [])],
  };
  const app = await NestFactory.create(root, adapterFor(platform), {
    abortOnError: false,
    logger: recorder(log),
    ...setup.nest,
  });
  running.add(app);
  await setup.prepare?.(app);
  return { app, origin: await listen(app), log };
}

async function stop(...kept: readonly StartedApp[]): Promise<void> {
  const ended = [...running].filter((app) => !kept.some((other) => other.app === app));
  for (const app of ended) running.delete(app);
  await Promise.all(ended.map((app) => app.close()));
}

/** What a start with these options is refused for; fails where it isn't. */
async function startProblem(options: unknown, controllers: readonly Type[] = []): Promise<McpAuthConfigError> {
  const outcome: unknown = await start('express', { options: options as McpAuthModuleOptions, controllers }).catch(
    (error: unknown) => error,
  );
  if (outcome instanceof McpAuthConfigError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('The application started');
}

/** One request, exactly as written, so that header fields are seen one by one and paths are left alone. */
function request(
  origin: string,
  method: string,
  path: string,
  headers: readonly string[] = [],
  body = '',
): Promise<WireResponse> {
  return sendRaw(origin, { method, path, headers, body });
}

function field(response: WireResponse, name: string): readonly string[] {
  return response.headers.get(name) ?? [];
}

/** Everything that a metadata URL must do, whatever the application around it does. */
async function expectDocument(origin: string, path: string, document: object = DOCUMENT): Promise<void> {
  const get = await request(origin, 'GET', path, ['Origin: https://client.test', 'MCP-Protocol-Version: 2025-11-25']);
  expect({ path, status: get.status, body: get.body }).toEqual({ path, status: 200, body: JSON.stringify(document) });
  expect(field(get, 'content-type')).toEqual(['application/json']);
  expect(field(get, 'access-control-allow-origin')).toEqual(['*']);
  expect(field(get, 'cache-control')).toEqual(['public, max-age=300']);

  const head = await request(origin, 'HEAD', path);
  expect({ status: head.status, body: head.body }).toEqual({ status: 200, body: '' });
  for (const name of ['content-type', 'content-length', 'cache-control', 'etag', 'access-control-allow-origin']) {
    expect([name, field(head, name)]).toEqual([name, field(get, name)]);
  }

  const conditional = await request(origin, 'GET', path, [`If-None-Match: ${field(get, 'etag')[0]}`]);
  expect({ status: conditional.status, body: conditional.body }).toEqual({ status: 304, body: '' });

  const preflight = await preflightOf(origin, path);
  expect(preflight).toEqual({ status: 204, origin: ['*'], allowsGet: true, allowsHeader: true });

  const post = await request(origin, 'POST', path, ['Content-Type: application/json'], '{}');
  expect({ status: post.status, allow: field(post, 'allow') }).toEqual({ status: 405, allow: ['GET, HEAD, OPTIONS'] });
}

/** What a browser makes of the answer to its question whether a page of another origin may fetch the document. */
async function preflightOf(origin: string, path: string): Promise<object> {
  const response = await request(origin, 'OPTIONS', path, [
    'Origin: https://client.test',
    'Access-Control-Request-Method: GET',
    'Access-Control-Request-Headers: mcp-protocol-version',
  ]);
  const names = (header: string): string[] => field(response, header).join().toLowerCase().split(/ *, */);
  return {
    status: response.status,
    origin: field(response, 'access-control-allow-origin'),
    allowsGet: names('access-control-allow-methods').includes('get'),
    allowsHeader: names('access-control-allow-headers').includes('mcp-protocol-version'),
  };
}

/** Neither a document nor a refusal: there is nothing here. */
async function expectNothing(origin: string, path: string): Promise<void> {
  const { status, body } = await request(origin, 'GET', path);
  expect({ path, status }).toEqual({ path, status: 404 });
  expect(body).not.toContain('authorization_servers');
}

@Controller('notes')
class NotesController {
  @Get()
  @RequireScopes('notes:read')
  list(): string[] {
    return [];
  }

  @Post()
  @RequireAnyScope('notes:write', 'notes:admin')
  add(): object {
    return {};
  }
}

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: the document', (platform) => {
  const started = (setup: Setup): Promise<StartedApp> => start(platform, setup);
  const documentOf = async (setup: Setup, path = `${ROOT}/mcp`): Promise<Record<string, unknown>> => {
    const { origin } = await started(setup);
    const response = await fetch(origin + path);
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };
  afterEach(() => stop());

  it('MCP-26-DISC-01: names every authorization server, each spelled as configured, without a slash added or removed', async () => {
    const authorizationServers = [
      ISSUER,
      'https://tenant.example.com/',
      { issuer: 'https://Login.example.com:8443/realms/Main' },
    ];
    const document = await documentOf({ options: { resource: RESOURCE, authorizationServers } });
    expect(document['authorization_servers']).toEqual([
      'https://login.example.com',
      'https://tenant.example.com/',
      'https://Login.example.com:8443/realms/Main',
    ]);
  });

  it('MCP-26-DISC-01: names the URL at which clients begin, where that is another than the issuer of the tokens, once', async () => {
    const advertisedIssuer = 'https://login.example.com/start';
    const authorizationServers = [
      { issuer: 'https://a.example.com', advertisedIssuer },
      { issuer: 'https://b.example.com', advertisedIssuer },
    ];
    const document = await documentOf({ options: { resource: RESOURCE, authorizationServers } });
    expect(document['authorization_servers']).toEqual([advertisedIssuer]);
  });

  it.each([
    ['a path', 'https://mcp.example.com/mcp', `${ROOT}/mcp`],
    ['a longer path', 'https://mcp.example.com/a/mcp', `${ROOT}/a/mcp`],
    ['no path', 'https://mcp.example.com', ROOT],
    ['a port', 'https://mcp.example.com:8443/mcp', `${ROOT}/mcp`],
    ['a port and no path', 'https://mcp.example.com:8443', ROOT],
    ['a path with escapes', 'https://mcp.example.com/m%C3%A9mos/a%2Fb', `${ROOT}/m%C3%A9mos/a%2Fb`],
    ['a path that begins like the well-known one', `https://mcp.example.com${ROOT}`, `${ROOT}${ROOT}`],
  ])(
    'RFC9728-3-a: inserts the well-known suffix between host and path of a resource with %s',
    async (_, resource, path) => {
      const { origin } = await started({ options: { ...BASE, resource } });
      await expectDocument(origin, path, { ...DOCUMENT, resource });
    },
  );

  it('RFC9728-3-a: does not append the well-known suffix to the path', async () => {
    const { origin } = await started({ options: { ...BASE, resource: 'https://mcp.example.com/a/mcp' } });
    for (const path of [`/a/mcp${ROOT}`, `/a${ROOT}/mcp`, `${ROOT}/mcp`, `${ROOT}/a`])
      await expectNothing(origin, path);
  });

  it('RFC9728-3.3: serves nothing at the root where `rootMetadata` is false and the resource has a path', async () => {
    const { origin } = await started({ options: { ...BASE, rootMetadata: false } });
    await expectNothing(origin, ROOT);
    await expectDocument(origin, `${ROOT}/mcp`);
    const rooted = await started({ options: { ...BASE, resource: 'https://mcp.example.com', rootMetadata: false } });
    await expectDocument(rooted.origin, ROOT, { ...DOCUMENT, resource: 'https://mcp.example.com' });
  });

  it('RFC9728-3-a: serves the document of the only resource at the root too, where MCP clients look when they know no better', async () => {
    const { origin } = await started({});
    await expectDocument(origin, ROOT);
  });

  it.each([
    ['drops the slash directly after the host', 'https://mcp.example.com/', [ROOT], [`${ROOT}/`]],
    ['keeps a trailing slash of the path', 'https://mcp.example.com/mcp/', [`${ROOT}/mcp/`], [`${ROOT}/mcp`]],
    [
      'adds no trailing slash to the path',
      'https://mcp.example.com/mcp',
      [`${ROOT}/mcp`],
      [`${ROOT}/mcp/`, `${ROOT}/`],
    ],
  ])('RFC9728-3.1-a: %s', async (_, resource, found, absent) => {
    const { origin } = await started({ options: { ...BASE, resource } });
    for (const path of found) await expectDocument(origin, path, { ...DOCUMENT, resource });
    for (const path of absent) await expectNothing(origin, path);
  });

  it('RFC9728-3-b: refuses to start with a query in the resource identifier, rather than drop it', async () => {
    const { problems } = await startProblem({ ...BASE, resource: `${RESOURCE}?t=1` });
    expect(problems).toEqual([
      expect.objectContaining({ option: 'resource', seen: `"${RESOURCE}?t=1"`, why: expect.stringContaining('query') }),
    ]);
  });

  it('RFC9728-3-b: never takes a query of the metadata URL for part of an identifier', async () => {
    const { origin } = await started({});
    await expectDocument(origin, `${ROOT}/mcp?t=2&resource=https://evil.test`);
    await expectNothing(origin, `${ROOT}/evil?/mcp`);
  });

  it.each([
    ['no URL', 'mcp.example.com'],
    ['a fragment', 'https://mcp.example.com/mcp#x'],
    ['an empty fragment', 'https://mcp.example.com/mcp#'],
    ['a user name and password', 'https://u:p@mcp.example.com/mcp'],
    ['another scheme', 'urn:example:mcp'],
    ['another scheme with a host', 'ftp://mcp.example.com/mcp'],
    ['plain http that is not on loopback', 'http://mcp.example.com/mcp'],
    ['a path only', '/mcp'],
    ['a default port', 'https://mcp.example.com:443/mcp'],
    ['dot segments', 'https://mcp.example.com/a/../mcp'],
    ['characters that belong escaped', 'https://mcp.example.com/mémos'],
    ['white space around it', ' https://mcp.example.com/mcp '],
    ['nothing in it', ''],
  ])(
    'RFC9728-1.2-a: refuses to start with a resource identifier that has %s, naming the option',
    async (_, resource) => {
      const { problems } = await startProblem({ ...BASE, resource });
      expect(problems.map(({ option }) => option)).toEqual(['resource']);
    },
  );

  it.each(['http://localhost:3000/mcp', 'http://127.0.0.1:3000/mcp', 'http://[::1]:3000/mcp'])(
    'RFC9728-1.2-a: takes plain http on loopback, %s, without a warning',
    async (resource) => {
      const { origin, log } = await started({ options: { ...BASE, resource } });
      await expectDocument(origin, `${ROOT}/mcp`, { ...DOCUMENT, resource });
      expect(log.filter(({ level }) => level === 'warn')).toEqual([]);
    },
  );

  it('RFC9728-3.2-a: answers 200 with application/json and a JSON object', async () => {
    const { origin } = await started({});
    const response = await fetch(`${origin}${ROOT}/mcp`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(DOCUMENT);
  });

  it.each([
    ['root', 'https://mcp.example.com', ROOT],
    ['root with slash', 'https://mcp.example.com/', ROOT],
    ['path', 'https://mcp.example.com/Mcp', `${ROOT}/Mcp`],
    ['port', 'https://mcp.example.com:8443/mcp', `${ROOT}/mcp`],
    ['trailing slash', 'https://mcp.example.com/mcp/', `${ROOT}/mcp/`],
    ['IPv6 host', 'https://[2001:db8::1]/mcp', `${ROOT}/mcp`],
  ])(
    'RFC9728-3.3-a: states the resource as the identifier its URL was built from, byte for byte: %s',
    async (_, resource, path) => {
      expect((await documentOf({ options: { ...BASE, resource } }, path))['resource']).toBe(resource);
    },
  );

  it('RFC9728-3.3-a: never takes the resource from Host or forwarding headers', async () => {
    const { origin } = await started({});
    const forged = [
      'Host: evil.test',
      'X-Forwarded-Host: evil.test',
      'X-Forwarded-Proto: http',
      'Forwarded: host=evil.test',
      'X-Original-URL: /evil',
    ];
    const response = await request(origin, 'GET', `${ROOT}/mcp`, forged);
    expect(response.body).toBe(JSON.stringify(DOCUMENT));
  });

  it('MCP-26-RS-13: puts scheme and host of the configured resource in lower case, and nothing else, with one warning', async () => {
    const { origin, log } = await started({ options: { ...BASE, resource: 'HTTPS://MCP.Example.COM/Mcp' } });
    await expectDocument(origin, `${ROOT}/Mcp`, { ...DOCUMENT, resource: 'https://mcp.example.com/Mcp' });
    await expectNothing(origin, `${ROOT}/mcp`);
    const warnings = log.filter(({ level }) => level === 'warn').map(({ text }) => text);
    expect(warnings).toEqual([
      'resource "HTTPS://MCP.Example.COM/Mcp" is used as "https://mcp.example.com/Mcp": scheme and host are lower case',
    ]);
  });

  it('MCP-26-RS-13: serves a request that spells the host in upper case', async () => {
    const { origin } = await started({});
    const response = await request(origin, 'GET', `${ROOT}/mcp`, ['Host: MCP.EXAMPLE.COM']);
    expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
  });

  it.each([
    ['as configured', { required: ['notes:read'], supported: ['notes:read', 'profile'] }, ['notes:read', 'profile']],
    [
      'as the scopes every request needs, where only those are configured',
      { required: ['notes:read'] },
      ['notes:read'],
    ],
    [
      'as the scopes that decorators name, where none are configured',
      undefined,
      ['notes:admin', 'notes:read', 'notes:write'],
    ],
  ])('RFC9728-2-a: advertises scopes_supported %s', async (_, scopes, expected) => {
    const options = { ...BASE, ...(scopes && { scopes }) };
    const document = await documentOf({ options, controllers: [NotesController] });
    expect(document['scopes_supported']).toEqual(expected);
  });

  it('RFC9728-3.2-b: leaves scopes_supported out where there are no scopes', async () => {
    expect(await documentOf({})).not.toHaveProperty('scopes_supported');
  });

  it('RFC9728-3.2-b: leaves scopes_supported out where none are to be advertised', async () => {
    const options = { ...BASE, scopes: { required: ['notes:read'], supported: [] } };
    expect(await documentOf({ options, controllers: [NotesController] })).not.toHaveProperty('scopes_supported');
  });

  it('RFC9728-3.2-b: leaves members without a value out: undefined, null, and lists of nothing', async () => {
    const metadata = {
      resourceName: undefined,
      resource_policy_uri: null,
      authorization_details_types_supported: [],
      x_member: 0,
    };
    const document = await documentOf({ options: { ...BASE, metadata } as unknown as McpAuthModuleOptions });
    expect(document).toEqual({ ...DOCUMENT, x_member: 0 });
  });

  it('RFC9728-2-d: states that tokens come in the header, and nowhere else', async () => {
    expect((await documentOf({}))['bearer_methods_supported']).toEqual(['header']);
  });

  it('RFC9728-2-d: refuses to start with another statement', async () => {
    const { problems } = await startProblem({ ...BASE, metadata: { bearer_methods_supported: ['header', 'body'] } });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.bearer_methods_supported']);
  });

  it('RFC9728-2-f: passes further members through unchanged, languages and extensions included', async () => {
    const members = {
      resource_name: 'Notes',
      'resource_name#de': 'Notizen',
      'resource_name#zh-Hans': '笔记',
      resource_documentation: 'https://docs.example.com/',
      'resource_documentation#de': 'https://docs.example.com/de',
      resource_policy_uri: 'https://example.com/policy?v=2',
      resource_tos_uri: 'https://example.com/tos',
      authorization_details_types_supported: ['note_access'],
      xExtension: { camelCase: [1, null, 'two'] },
    };
    expect(await documentOf({ options: { ...BASE, metadata: members } })).toEqual({ ...DOCUMENT, ...members });
  });

  it('RFC9728-2-f: publishes the options with names of their own under the names of the RFC', async () => {
    const metadata: ResourceMetadataOptions = {
      resourceName: 'Notes',
      resourceDocumentation: 'https://docs.example.com',
      resourcePolicyUri: 'https://example.com/policy',
      resourceTosUri: 'https://example.com/tos',
      jwksUri: 'https://mcp.example.com/jwks',
    };
    expect(await documentOf({ options: { ...BASE, metadata } })).toEqual({
      ...DOCUMENT,
      resource_name: 'Notes',
      resource_documentation: 'https://docs.example.com',
      resource_policy_uri: 'https://example.com/policy',
      resource_tos_uri: 'https://example.com/tos',
      jwks_uri: 'https://mcp.example.com/jwks',
    });
  });

  it('RFC9728-2-f: refuses to state certificate-bound tokens, which would be untrue', async () => {
    const { problems } = await startProblem({
      ...BASE,
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.tls_client_certificate_bound_access_tokens']);
  });

  it.each([
    ['jwks_uri over plain http', { jwksUri: 'http://mcp.example.com/jwks' }, 'metadata.jwksUri', 'plain http'],
    ['jwks_uri that is no URL', { jwks_uri: '/jwks' }, 'metadata.jwks_uri', 'no absolute URL'],
    [
      'the keys of the authorization server as jwks_uri',
      { jwksUri: `${ISSUER}/keys` },
      'metadata.jwksUri',
      'keys of the authorization server',
    ],
    [
      '"none" as a signature algorithm',
      { resource_signing_alg_values_supported: ['RS256', 'none'] },
      'metadata.resource_signing_alg_values_supported',
      'no signature',
    ],
  ])('RFC9728-2-g: refuses to start with %s', async (_, metadata, option, why) => {
    const authorizationServers = [{ issuer: ISSUER, jwksUri: `${ISSUER}/keys` }];
    const { problems } = await startProblem({ resource: RESOURCE, authorizationServers, metadata });
    expect(problems).toEqual([expect.objectContaining({ option, why: expect.stringContaining(why) })]);
  });

  it('RFC9728-2-g: publishes keys and algorithms of the resource itself', async () => {
    const metadata = { jwksUri: 'https://mcp.example.com/jwks', resource_signing_alg_values_supported: ['ES256'] };
    expect(await documentOf({ options: { ...BASE, metadata } })).toEqual({
      ...DOCUMENT,
      jwks_uri: 'https://mcp.example.com/jwks',
      resource_signing_alg_values_supported: ['ES256'],
    });
  });

  it('RFC9728-2.2-a: offers no signed_metadata, and refuses to start with a copy that could go stale', async () => {
    const { problems } = await startProblem({
      ...BASE,
      metadata: { signed_metadata: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln' },
    });
    expect(problems.map(({ option }) => option)).toEqual(['metadata.signed_metadata']);
    expect(JSON.stringify(problems)).not.toContain('eyJhbGciOiJSUzI1NiJ9');
    expect(await documentOf({})).not.toHaveProperty('signed_metadata');
  });
});

describe('section 5, protected resource metadata: without an authorization server', () => {
  afterEach(() => stop());

  it.each([
    ['no list', undefined],
    ['an empty list', []],
    ['a list of nothing', ['']],
    ['something else', 'none'],
  ])('MCP-26-DISC-01: refuses to start with %s of them', async (_, authorizationServers) => {
    const { problems } = await startProblem({ resource: RESOURCE, authorizationServers });
    expect(problems.map(({ option }) => option)).toEqual([expect.stringMatching(/^authorizationServers/)]);
  });
});

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: the endpoint', (platform) => {
  let server: StartedApp;
  const url = (path = `${ROOT}/mcp`): string => server.origin + path;

  beforeAll(async () => {
    server = await start(platform, { controllers: [NotesController], options: { ...BASE, scopes: { supported: [] } } });
  });
  afterEach(() => stop(server));
  afterAll(() => stop());

  it('RFC9728-3.1-b: answers anybody, while the guard protects every route', async () => {
    await expectDocument(server.origin, `${ROOT}/mcp`);
    expect((await fetch(url('/notes'))).status).toBe(401);
  });

  it.each([
    ['an invalid token', ['Authorization: Bearer garbage']],
    ['two Authorization headers', ['Authorization: Bearer a', 'Authorization: DPoP b']],
    ['another scheme', ['Authorization: Basic eDp5']],
    ['a cookie', ['Cookie: session=1']],
  ])('RFC9728-3.1-b: takes no notice of credentials: %s', async (_, headers) => {
    const response = await request(server.origin, 'GET', `${ROOT}/mcp`, headers);
    expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
  });

  it('RFC9110-9.1-a: answers HEAD with the headers of GET and no body', async () => {
    const [get, head] = [
      await request(server.origin, 'GET', `${ROOT}/mcp`),
      await request(server.origin, 'HEAD', `${ROOT}/mcp`),
    ];
    const headers = ({ headers: all }: WireResponse): object =>
      Object.fromEntries([...all].filter(([name]) => name !== 'date'));
    expect(head.status).toBe(200);
    expect(headers(head)).toEqual(headers(get));
    expect(field(head, 'content-length')).toEqual([String(Buffer.byteLength(JSON.stringify(DOCUMENT)))]);
    expect(head.body).toBe('');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY'])(
    'RFC9110-15.5.6-a: answers %s with 405 and what is allowed',
    async (method) => {
      for (const body of ['', '{"resource":"https://evil.test"}']) {
        const type = body === '' ? [] : ['Content-Type: application/json'];
        const response = await request(server.origin, method, `${ROOT}/mcp`, type, body);
        expect({ status: response.status, body: response.body }).toEqual({ status: 405, body: '' });
        expect(field(response, 'allow')).toEqual(['GET, HEAD, OPTIONS']);
        expect(field(response, 'www-authenticate')).toEqual([]);
      }
    },
  );

  it('RFC9110-15.5.6-a: answers a plain OPTIONS with what is allowed', async () => {
    const response = await request(server.origin, 'OPTIONS', `${ROOT}/mcp`);
    expect({ status: response.status, body: response.body }).toEqual({ status: 204, body: '' });
    expect(field(response, 'allow')).toEqual(['GET, HEAD, OPTIONS']);
  });

  it('LIB-13: lets pages of any origin read the document, errors and confirmations too', async () => {
    const { headers } = await fetch(url());
    for (const [method, extra] of [
      ['GET', []],
      ['HEAD', []],
      ['POST', []],
      ['GET', [`If-None-Match: ${headers.get('etag')}`]],
    ] as const) {
      const response = await request(server.origin, method, `${ROOT}/mcp`, ['Origin: https://client.test', ...extra]);
      expect([method, field(response, 'access-control-allow-origin')]).toEqual([method, ['*']]);
      // With credentials, a browser would not take "*" for an answer.
      expect(field(response, 'access-control-allow-credentials')).toEqual([]);
    }
  });

  it('LIB-13: answers a preflight, MCP-Protocol-Version included', async () => {
    expect(await preflightOf(server.origin, `${ROOT}/mcp`)).toEqual({
      status: 204,
      origin: ['*'],
      allowsGet: true,
      allowsHeader: true,
    });
  });

  it('RFC9728-7.10-a: says how long the document may be kept, five minutes, and by whom', async () => {
    expect((await fetch(url())).headers.get('cache-control')).toBe('public, max-age=300');
  });

  it.each([
    ['the entity tag', (etag: string) => etag],
    ['the entity tag, weakly', (etag: string) => `W/${etag}`],
    ['the entity tag among others', (etag: string) => `"other", ${etag} , W/"third"`],
    ['any entity tag', () => '*'],
  ])('RFC9728-7.10-a: confirms with 304 what a client names by %s', async (_, header) => {
    const { headers } = await fetch(url());
    const etag = headers.get('etag') as string;
    expect(etag).toMatch(/^"[\w-]+"$/);
    for (const method of ['GET', 'HEAD']) {
      const response = await request(server.origin, method, `${ROOT}/mcp`, [`If-None-Match: ${header(etag)}`]);
      expect({ status: response.status, body: response.body }).toEqual({ status: 304, body: '' });
      expect(field(response, 'etag')).toEqual([etag]);
      expect(field(response, 'cache-control')).toEqual(['public, max-age=300']);
      expect(field(response, 'content-type')).toEqual([]);
    }
  });

  it.each(['"other"', '""', 'garbage', 'W/"other"'])(
    'RFC9728-7.10-a: sends the document to a client that has another one: If-None-Match: %s',
    async (header) => {
      const response = await request(server.origin, 'GET', `${ROOT}/mcp`, [`If-None-Match: ${header}`]);
      expect({ status: response.status, body: response.body }).toEqual({ status: 200, body: JSON.stringify(DOCUMENT) });
    },
  );

  it('RFC9728-7.10-a: has the same entity tag on every instance, and another one for another document', async () => {
    const etagOf = async (options: McpAuthModuleOptions): Promise<string | null> => {
      const other = await start(platform, { options });
      const { headers } = await fetch(`${other.origin}${ROOT}/mcp`);
      return headers.get('etag');
    };
    const etag = (await fetch(url())).headers.get('etag');
    expect(await etagOf(BASE)).toBe(etag);
    expect(await etagOf({ ...BASE, authorizationServers: ['https://login.example.org'] })).not.toBe(etag);
  });

  it.each([
    ['an unknown suffix', `${ROOT}/evil`],
    ['a segment too many', `${ROOT}/mcp/anything`],
    ['a trailing slash', `${ROOT}/mcp/`],
    ['a trailing slash at the root', `${ROOT}/`],
    ['a longer name', `${ROOT}/mcp2`],
    ['a suffix without a slash', `${ROOT}mcp`],
    ['another case', `${ROOT}/MCP`],
    ['another case of the well-known part', '/.Well-Known/oauth-protected-resource/mcp'],
    ['an escaped letter', `${ROOT}/%6Dcp`],
    ['an escaped letter of the well-known part', '/.well-known/oauth%2Dprotected-resource/mcp'],
    ['an escaped slash', `${ROOT}%2Fmcp`],
    ['an escaped trailing slash', `${ROOT}/mcp%2F`],
    ['a doubled slash', `${ROOT}//mcp`],
    ['a doubled slash in front', `/${ROOT}/mcp`],
    ['dot segments', `${ROOT}/x/../mcp`],
    ['escaped dot segments', `${ROOT}/x/%2e%2e/mcp`],
    ['a dot segment', `${ROOT}/./mcp`],
    ['a path parameter', `${ROOT}/mcp;v=1`],
    ['a null byte', `${ROOT}/mcp%00`],
    ['a white space', `${ROOT}/mcp%20`],
    ['a back slash', `${ROOT}\\mcp`],
  ])('LIB-14: has no document at %s', async (_, path) => {
    await expectNothing(server.origin, path);
  });

  it('LIB-14: does not reflect what was asked for', async () => {
    const response = await request(server.origin, 'GET', `${ROOT}/evil.test/mcp`);
    expect(response.status).toBe(404);
    expect(response.body).not.toContain('"resource"');
  });

  it.each([
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/mcp',
    '/.well-known/openid-configuration',
    '/.well-known/openid-configuration/mcp',
    '/mcp/.well-known/openid-configuration',
    '/.well-known/jwks.json',
  ])('RFC8414-3.3-b: publishes no copy of the metadata of the authorization server: %s', async (path) => {
    await expectNothing(server.origin, path);
  });
});

describe.each(PLATFORMS)('section 5, protected resource metadata, on %s: several resources', (platform) => {
  const resources = [
    { resource: 'https://mcp.example.com/notes', authorizationServers: [ISSUER], scopes: { required: ['notes'] } },
    { resource: 'https://mcp.example.com/notes/archive/', authorizationServers: ['https://archive.example.com/'] },
    {
      resource: 'https://mcp.example.com/mail',
      id: 'mail',
      authorizationServers: [ISSUER],
      metadata: { resourceName: 'Mail' },
    },
  ];
  let server: StartedApp;
  beforeAll(async () => {
    server = await start(platform, { options: { resources } });
  });
  afterEach(() => stop(server));
  afterAll(() => stop());

  it('LIB-14: gives each resource its own document', async () => {
    await expectDocument(server.origin, `${ROOT}/notes`, {
      resource: 'https://mcp.example.com/notes',
      authorization_servers: [ISSUER],
      scopes_supported: ['notes'],
      bearer_methods_supported: ['header'],
    });
    await expectDocument(server.origin, `${ROOT}/notes/archive/`, {
      resource: 'https://mcp.example.com/notes/archive/',
      authorization_servers: ['https://archive.example.com/'],
      bearer_methods_supported: ['header'],
    });
    await expectDocument(server.origin, `${ROOT}/mail`, {
      resource: 'https://mcp.example.com/mail',
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
      resource_name: 'Mail',
    });
  });

  it.each([ROOT, `${ROOT}/`, `${ROOT}/evil`, `${ROOT}/notes/`, `${ROOT}/notes/archive`, `${ROOT}/mail/notes`])(
    'LIB-14: has no document at %s, where it would be a guess',
    async (path) => {
      await expectNothing(server.origin, path);
    },
  );

  it('LIB-14: serves the root where one of the resources is there', async () => {
    const root = { resource: 'https://mcp.example.com', authorizationServers: [ISSUER] };
    const withRoot = await start(platform, { options: { resources: [root, ...resources] } });
    await expectDocument(withRoot.origin, ROOT, { ...DOCUMENT, resource: 'https://mcp.example.com' });
  });

  it.each([
    ['the same identifier', 'https://mcp.example.com/notes'],
    ['the same host in upper case', 'https://MCP.example.com/notes'],
    ['another host, since a document is found by its path', 'https://other.example.com/notes'],
  ])('LIB-14: refuses to start with two resources that share a metadata path: %s', async (_, resource) => {
    const { problems } = await startProblem({
      resources: [...resources, { resource, id: 'other', authorizationServers: [ISSUER] }],
    });
    expect(problems.map(({ option }) => option)).toEqual(['resources']);
  });
});

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
