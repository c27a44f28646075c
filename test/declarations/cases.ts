import 'reflect-metadata';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Post,
  Req,
  Res,
  SetMetadata,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { McpController, Tool } from '@rekog/mcp-nest';
import {
  Authorize,
  McpAuthConfigError,
  McpAuthModule,
  RequireAnyScope,
  RequireAuthentication,
  RequireProof,
  RequireScopes,
} from 'nestjs-mcp-auth';
import { McpTool } from 'nestjs-mcp-auth/sdk';
import type { TestIssuer } from 'nestjs-mcp-auth/testing';
import { startSdkServer } from '../sdk/sdk-server.js';
import { startNotesServer } from '../support/notes-server.js';
import { adapterFor, listen, type Platform } from '../support/platforms.js';

/** The decorators that require something of a caller. */
export const REQUIRING = {
  RequireScopes: () => RequireScopes('admin'),
  RequireAnyScope: () => RequireAnyScope('admin', 'root'),
  Authorize: () => Authorize(() => false),
  RequireAuthentication: () => RequireAuthentication({ acr: 'urn:example:mfa' }),
  RequireProof: () => RequireProof(),
};
export type Requiring = keyof typeof REQUIRING;

/** What calls the decorated method. */
export const TARGETS = [
  'route',
  'tool of mcp-nest 2',
  'tool of the SDK',
  'tool of mcp-nest 1',
  'tool of @nestjs-mcp/server',
] as const;
export type Target = (typeof TARGETS)[number];

/** Where the decorator of the library stands. */
export const PLACES = ['above', 'below', 'both', 'on the class above', 'on the class below'] as const;
export type Place = (typeof PLACES)[number];

/** How another decorator, or something else, may get in between. */
export const LOSSES = [
  'nothing',
  'another function',
  'another function with the metadata',
  'an accessor',
  'a proxy of the function',
  'a subclass in place of the class',
  'a proxy of the class',
  'a function in place of the class',
  'a copy of the class',
  'an overriding subclass',
  'an overriding subclass with the other requirement',
  'a bound method',
] as const;
export type Loss = (typeof LOSSES)[number];

export interface Case {
  readonly requiring: Requiring;
  readonly target: Target;
  readonly place: Place;
  readonly loss: Loss;
  /** Whether the decorator of the framework stands above everything else on the method, or below. */
  readonly isHandlerAbove: boolean;
}

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Replace = (original: Method) => PropertyDescriptor;

const through = (original: Method): Method =>
  function (this: unknown, ...args: unknown[]) {
    return original.apply(this, args);
  };

const REPLACEMENTS: Partial<Record<Loss, Replace>> = {
  'another function': (original) => ({ value: through(original) }),
  'another function with the metadata': (original) => {
    const value = through(original);
    for (const key of Reflect.getMetadataKeys(original))
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), value);
    return { value };
  },
  'an accessor': (original) => ({ get: () => through(original) }),
  'a proxy of the function': (original) => ({ value: new Proxy(original, {}) }),
};

/** As TypeScript and other compilers apply decorators: the last of the list first. */
export function decorateMethod(classRef: Type<object>, key: string, decorators: readonly MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(classRef.prototype, key) as PropertyDescriptor;
  const decorated = Reflect.decorate(
    [...decorators],
    classRef.prototype as object,
    key,
    descriptor,
  ) as PropertyDescriptor;
  Object.defineProperty(classRef.prototype, key, decorated);
}

const HANDLERS: Readonly<Record<Target, () => MethodDecorator>> = {
  route: () => Get('act'),
  'tool of mcp-nest 2': () => Tool({ name: 'act', description: 'x' }),
  'tool of the SDK': () => McpTool({ name: 'act' }),
  'tool of mcp-nest 1': () => SetMetadata('mcp:tool', { name: 'act' }),
  'tool of @nestjs-mcp/server': () => SetMetadata('__mcp_tool__', { name: 'act', methodName: 'act' }),
};

const CLASSES: Readonly<Record<Target, () => ClassDecorator>> = {
  route: () => Controller('subject'),
  'tool of mcp-nest 2': () => McpController(),
  'tool of the SDK': () => Injectable(),
  'tool of mcp-nest 1': () => Injectable(),
  'tool of @nestjs-mcp/server': () => Injectable(),
};

/** A class with one handler `act`, decorated as the case says. */
export function classOf({ requiring, target, place, loss, isHandlerAbove }: Case, ran: string[]): Type<object> {
  class Subject {
    constructor() {
      if (loss === 'a bound method') this.act = this.act.bind(this);
    }

    act(): object {
      ran.push('act');
      return { content: [] };
    }
  }

  const replace = REPLACEMENTS[loss];
  const replacing: MethodDecorator[] = replace
    ? [(_target, _key, descriptor) => ({ configurable: true, ...replace(descriptor.value as never) }) as never]
    : [];
  const require = REQUIRING[requiring];
  const handler = HANDLERS[target]();
  decorateMethod(Subject, 'act', [
    ...(isHandlerAbove ? [handler] : []),
    ...(place === 'above' || place === 'both' ? [require()] : []),
    ...replacing,
    ...(place === 'below' || place === 'both' ? [require()] : []),
    ...(isHandlerAbove ? [] : [handler]),
  ]);
  if (place === 'on the class below') require()(Subject);
  const replaced = replaceClass(Subject, loss, handler, ran, requiring);
  CLASSES[target]()(replaced);
  if (place === 'on the class above') require()(replaced);
  return replaced;
}

function replaceClass(
  Subject: Type<object>,
  loss: Loss,
  handler: MethodDecorator,
  ran: string[],
  requiring: Requiring,
): Type<object> {
  switch (loss) {
    case 'a subclass in place of the class':
    case 'an overriding subclass':
    case 'an overriding subclass with the other requirement': {
      class Overriding extends Subject {
        act(): object {
          ran.push('act');
          return { content: [] };
        }
      }
      const other = requiring === 'Authorize' ? RequireScopes('never') : Authorize(() => true);
      const isOther = loss === 'an overriding subclass with the other requirement';
      decorateMethod(Overriding, 'act', isOther ? [handler, other] : [handler]);
      return Overriding;
    }
    case 'a proxy of the class':
      return new Proxy(Subject, {});
    case 'a function in place of the class': {
      const made = function Subject2(...args: unknown[]): object {
        return Reflect.construct(Subject, args) as object;
      };
      made.prototype = Subject.prototype as object;
      return made as never;
    }
    case 'a copy of the class': {
      class Copy {}
      const { constructor: _constructor, ...methods } = Object.getOwnPropertyDescriptors(
        Subject.prototype as Record<string, unknown>,
      );
      Object.defineProperties(Copy.prototype, methods as PropertyDescriptorMap);
      return Copy;
    }
    default:
      return Subject;
  }
}

/** Calls a method of a provider by itself, as some MCP frameworks do. */
@Controller()
export class DirectFramework {
  /** Set for the case at hand. */
  static classRef: Type<object>;

  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  @Post('direct')
  async direct(
    @Req() request: { raw?: object; auth?: unknown; body: { id: number } },
    @Res() response: never,
  ): Promise<void> {
    const { raw, hijack } = response as { raw?: NodeResponse; hijack?: () => void };
    hijack?.call(response);
    const nodeResponse = raw ?? (response as NodeResponse);
    const instance = this.modules.get<Record<string, Method>>(DirectFramework.classRef, { strict: false });
    const extra = { authInfo: request.auth, requestId: request.body.id };
    const result: unknown = await (instance['act'] as Method).call(instance, extra);
    nodeResponse.writeHead(200, { 'content-type': 'application/json' });
    nodeResponse.end(JSON.stringify({ jsonrpc: '2.0', id: request.body.id, result }));
  }
}

interface NodeResponse {
  writeHead(status: number, headers: object): unknown;
  end(text: string): unknown;
}

class AppModule {}

/** What came of a case: that the application did not start; or what its handler was answered with, and whether it ran. */
export type Outcome = { readonly refused: string } | { readonly status: number; readonly ran: readonly string[] };

/** Starts an application with the class and calls its handler with a token that says nothing of what is required. */
export async function outcomeOf(one: Case, platform: Platform, issuer: TestIssuer): Promise<Outcome> {
  const ran: string[] = [];
  try {
    const classRef = loaded(one, ran);
    return { status: await CALLS[one.target](classRef, platform, issuer), ran };
  } catch (error) {
    if (error instanceof McpAuthConfigError) return { refused: error.message };
    throw error;
  }
}

/** Nest's own decorators do not accept an accessor; nor does a program start whose classes cannot be loaded. */
function loaded(one: Case, ran: string[]): Type<object> {
  try {
    return classOf(one, ran);
  } catch (error) {
    if (one.loss !== 'an accessor' || !(error instanceof TypeError)) throw error;
    throw new McpAuthConfigError([
      { option: 'Subject.act', seen: 'an accessor', why: 'Nest refuses it', write: 'Write a method' },
    ]);
  }
}

type Call = (classRef: Type<object>, platform: Platform, issuer: TestIssuer) => Promise<number>;

/** How each kind of handler is called, with a token that says nothing; the status of the answer. */
const CALLS: Readonly<Record<Target, Call>> = {
  route: callRoute,
  'tool of mcp-nest 2': callMcpNest,
  'tool of the SDK': callSdk,
  'tool of mcp-nest 1': callDirectly,
  'tool of @nestjs-mcp/server': callDirectly,
};

async function callSdk(classRef: Type<object>, platform: Platform): Promise<number> {
  const server = await startSdkServer(
    { sdk: 'v2', platform, providers: [classRef], options: { dpop: 'accepted' } },
    [],
  );
  try {
    const token = await server.mint({ scope: '' });
    return (await server.rpc('tools/call', { name: 'act', arguments: {} }, { token })).status;
  } finally {
    await server.close();
  }
}

async function callMcpNest(classRef: Type<object>, platform: Platform, sharedIssuer: TestIssuer): Promise<number> {
  const server = await startNotesServer(platform, {
    sharedIssuer,
    controllers: [classRef],
    options: { dpop: 'accepted' },
  });
  try {
    return (await server.callTool('act', await server.mint({ scope: '' }))).status;
  } finally {
    await server.close();
  }
}

function callRoute(classRef: Type<object>, platform: Platform, issuer: TestIssuer): Promise<number> {
  return statusOf({ controllers: [classRef] }, platform, issuer, '/subject/act', {});
}

function callDirectly(classRef: Type<object>, platform: Platform, issuer: TestIssuer): Promise<number> {
  DirectFramework.classRef = classRef;
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'act', arguments: {} } });
  const request = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
  return statusOf({ controllers: [DirectFramework], providers: [classRef] }, platform, issuer, '/direct', request);
}

/** Asks an application with nothing in it but this library and the class: hundreds are started, so each is to be small. */
async function statusOf(
  classes: Pick<ModuleMetadata, 'controllers' | 'providers'>,
  platform: Platform,
  issuer: TestIssuer,
  path: string,
  request: RequestInit,
): Promise<number> {
  const resource = 'https://mcp.example.com/mcp';
  const options = {
    resource,
    dpop: 'accepted' as const,
    authorizationServers: [issuer.issuer],
    checkAuthorizationServers: false,
  };
  const root = { module: AppModule, imports: [McpAuthModule.forRoot(options)], ...classes };
  const app = await NestFactory.create(root, adapterFor(platform), { abortOnError: false, logger: false });
  try {
    const authorization = `Bearer ${await issuer.mint({ aud: resource, scope: '' })}`;
    const origin = await listen(app);
    const headers = { ...request.headers, authorization };
    return (await fetch(origin + path, { ...request, headers, signal: AbortSignal.timeout(5_000) })).status;
  } finally {
    await app.close();
  }
}
