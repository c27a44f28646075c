import 'reflect-metadata';
import {
  Controller,
  Get,
  Post,
  type INestApplication,
  type NestApplicationOptions,
  type Provider,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect } from '@jest/globals';
import {
  McpAuthConfigError,
  McpAuthModule,
  RequireAnyScope,
  RequireScopes,
  type McpAuthModuleOptions,
} from 'nestjs-mcp-auth';
import { recorder, type LogLine } from './log-lines.js';
import { adapterFor, listen, type Platform } from './platforms.js';
import { sendRaw, type RawResponse } from './raw-http.js';

export const ROOT = '/.well-known/oauth-protected-resource';
export const RESOURCE = 'https://mcp.example.com/mcp';
export const ISSUER = 'https://login.example.com';
export const BASE = { resource: RESOURCE, authorizationServers: [ISSUER] } satisfies McpAuthModuleOptions;

/** The complete metadata document for {@link BASE}. */
export const DOCUMENT = { resource: RESOURCE, authorization_servers: [ISSUER], bearer_methods_supported: ['header'] };

/** A NestJS application with this library, started as `main.ts` would. The options name its resources. */
export interface StartedApp {
  readonly app: INestApplication;
  readonly origin: string;
  readonly log: readonly LogLine[];
}

export interface Setup {
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

/** The applications that {@link stop} closes. */
const running = new Set<INestApplication>();

export async function start(platform: Platform, setup: Setup = {}): Promise<StartedApp> {
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

export async function stop(...kept: readonly StartedApp[]): Promise<void> {
  const ended = [...running].filter((app) => !kept.some((other) => other.app === app));
  for (const app of ended) running.delete(app);
  await Promise.all(ended.map((app) => app.close()));
}

/** The error with which a start with these options fails. Throws if the application starts. */
export async function startProblem(options: unknown, controllers: readonly Type[] = []): Promise<McpAuthConfigError> {
  const outcome: unknown = await start('express', { options: options as McpAuthModuleOptions, controllers }).catch(
    (error: unknown) => error,
  );
  if (outcome instanceof McpAuthConfigError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('The application started');
}

/** Sends one request exactly as written. Keeps header fields apart and does not normalize the path. */
export function request(
  origin: string,
  method: string,
  path: string,
  headers: readonly string[] = [],
  body = '',
): Promise<RawResponse> {
  return sendRaw(origin, { method, path, headers, body });
}

export function field(response: RawResponse, name: string): readonly string[] {
  return response.headers.get(name) ?? [];
}

/** Asserts the rules for a metadata URL, whatever else the application does. */
export async function expectDocument(origin: string, path: string, document: object = DOCUMENT): Promise<void> {
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

/** The answer to the preflight of a page of another origin that fetches the document, as a browser reads it. */
export async function preflightOf(origin: string, path: string): Promise<object> {
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

/** Asserts a plain 404: neither a document nor a refusal. */
export async function expectNothing(origin: string, path: string): Promise<void> {
  const { status, body } = await request(origin, 'GET', path);
  expect({ path, status }).toEqual({ path, status: 404 });
  expect(body).not.toContain('authorization_servers');
}

@Controller('notes')
export class NotesController {
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
