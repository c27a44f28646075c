import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  createParamDecorator,
  Inject,
  Injectable,
  ParseIntPipe,
  Req,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, REQUEST } from '@nestjs/core';
import { AuthInfo, McpAuthError, Public, RequireScopes, type McpAuthInfo } from 'nestjs-mcp-auth';
import { Args, McpPrompt, McpResource, McpTool, ResourceUri, SdkCall, SdkContext } from 'nestjs-mcp-auth/sdk';
import { map, of, type Observable } from 'rxjs';
import { z } from 'zod';
import { expectRefusal, resetRecorded } from '../support/expectations.js';
import { listOf, SDKS, startSdkServer, type RpcAnswer, type SdkServer } from './sdk-server.js';

const ran: string[] = [];

class DomainError extends Error {}

@Injectable()
class Doorman implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    ran.push(`guard of ${context.getHandler().name}, ${context.getType()}`);
    const { id } = context.switchToRpc().getData<{ id?: string }>();
    return id !== '13';
  }
}

@Injectable()
class Shouting implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value) => String(value).toUpperCase()));
  }
}

@Catch(DomainError)
class Apologetic implements ExceptionFilter {
  catch(error: DomainError): object {
    return { content: [{ type: 'text', text: `Sorry: ${error.message}` }], isError: true };
  }
}

@Catch(RangeError)
class Streaming implements ExceptionFilter {
  catch(error: RangeError, host: ArgumentsHost): Observable<string> {
    return of(`${host.switchToRpc().getContext<SdkCall>().mcpRequest.method}: ${error.message}`);
  }
}

@Injectable()
class GlobalGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (context.getType() === 'rpc') ran.push('global guard');
    return true;
  }
}

@Injectable()
class GlobalInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() === 'rpc') ran.push('global interceptor');
    return next.handle();
  }
}

@Injectable()
class GlobalPipe implements PipeTransform {
  transform(value: unknown, { type }: { type: string }): unknown {
    if (type === 'body') ran.push('global pipe');
    return value;
  }
}

@Injectable({ scope: Scope.REQUEST })
class ScopedGuard implements CanActivate {
  constructor(@Inject(REQUEST) private readonly call: SdkCall) {}

  canActivate(): boolean {
    ran.push(`scoped guard of ${this.call.mcpRequest.method}`);
    return false;
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class TransientGuard implements CanActivate {
  canActivate(): boolean {
    ran.push('transient guard');
    return false;
  }
}

@Injectable()
class Fenced {
  @McpTool()
  @UseGuards(ScopedGuard)
  byScoped(): void {
    ran.push('byScoped');
  }
}

@Injectable()
@UseGuards(TransientGuard)
class FencedToo {
  @McpTool()
  byTransient(): void {
    ran.push('byTransient');
  }
}

@Injectable()
class Unfenced {
  @McpTool()
  unfenced(): void {
    ran.push('unfenced');
  }
}

@Injectable({ scope: Scope.REQUEST })
class ScopedGlobalGuard implements CanActivate {
  constructor(@Inject(REQUEST) private readonly call: Partial<SdkCall>) {}

  canActivate(context: ExecutionContext): boolean {
    return context.getType() === 'http' || new ScopedGuard(this.call as SdkCall).canActivate();
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class TransientGlobalGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.getType() === 'http' || new TransientGuard().canActivate();
  }
}

const Handler = createParamDecorator((_: unknown, context: ExecutionContext) => context.getHandler().name);

@Injectable({ scope: Scope.REQUEST })
class Visit {
  static count = 0;
  readonly number = ++Visit.count;
  constructor(@Inject(REQUEST) readonly call: SdkCall) {}
}

@Injectable()
class Visits {
  constructor(private readonly visit: Visit) {}

  @McpTool({ inputSchema: z.object({ id: z.string() }) })
  @RequireScopes('a')
  visit_(@Args('id') id: string, @AuthInfo('subject') subject: string): object {
    return { visit: this.visit.number, method: this.visit.call.mcpRequest.method, id, subject };
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class Passing {
  #calls = 0;

  @McpTool()
  passing(): object {
    return { calls: ++this.#calls };
  }
}

const anyId = z.object({ id: z.string() });

@Injectable()
class Operations {
  @McpTool({ inputSchema: anyId })
  @UseGuards(Doorman)
  guarded(): string {
    ran.push('guarded');
    return 'ran';
  }

  @McpTool({ inputSchema: anyId })
  piped(@Args('id', ParseIntPipe) id: number, @Args() all: object, @Handler() handler: string): object {
    return { id, all, handler };
  }

  @McpTool()
  @UseInterceptors(Shouting)
  intercepted(): string {
    return 'quiet';
  }

  @McpTool({ inputSchema: anyId })
  @UseFilters(Apologetic, Streaming)
  filtered(@Args('id') id: string): never {
    throw id === '1' ? new DomainError('closed') : id === '2' ? new RangeError('far') : new Error('unexpected');
  }

  @McpTool()
  stepUp(): never {
    throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes: ['a', 'b'] });
  }

  @McpResource({ uri: 'notes://step-up' })
  stepUpResource(): never {
    throw new McpAuthError('insufficient_scope', 'scope_missing', { scopes: ['a', 'b'] });
  }

  @McpTool()
  misplaced(@Req() request: unknown): string {
    ran.push('misplaced');
    return String(request);
  }

  @McpTool({ inputSchema: anyId })
  bare(args: unknown, call: SdkCall): object {
    return { args, request: call.mcpRequest };
  }

  @McpTool({ outputSchema: z.object({ sum: z.number() }) })
  structured(): object {
    return { sum: 42 };
  }

  @McpTool()
  nothing(): void {}

  @McpTool()
  own(): object {
    return { content: [{ type: 'text', text: 'own' }], _meta: { mine: true } };
  }

  @McpTool()
  context(
    @SdkContext() context: { authInfo?: McpAuthInfo; http?: { authInfo?: McpAuthInfo }; signal?: AbortSignal },
  ): object {
    return { subject: (context.http?.authInfo ?? context.authInfo)?.subject };
  }

  @McpResource({ uriTemplate: 'notes://{owner}/{+path}' })
  read(@Args() variables: object, @ResourceUri() uri: URL, @AuthInfo('subject') subject: string): object {
    return { contents: [{ uri: uri.href, text: JSON.stringify({ variables, subject }) }] };
  }

  @McpPrompt({ argsSchema: z.object({ topic: z.string() }).refine(({ topic }) => topic !== 'taxes', 'Not that one') })
  write(@Args('topic') topic: string, @AuthInfo('subject') subject: string): object {
    return { messages: [{ role: 'user', content: { type: 'text', text: `${topic} for ${subject}` } }] };
  }
}

describe.each(SDKS)('a call through the bridge, on SDK %s', (sdk) => {
  let server: SdkServer;
  let token: string;
  beforeAll(async () => {
    const global = [
      { provide: APP_GUARD, useClass: GlobalGuard },
      { provide: APP_INTERCEPTOR, useClass: GlobalInterceptor },
      { provide: APP_PIPE, useClass: GlobalPipe },
    ];
    server = await startSdkServer({ sdk, providers: [Operations, Visits, Visit, Passing, Doorman, ...global] }, ran);
    token = await server.mint({ sub: 'bob', scope: 'a' });
  });
  afterAll(() => server.close());
  beforeEach(() => resetRecorded(server));

  const call = async (name: string, args: object = {}): Promise<RpcAnswer['result']> => {
    const { result, error } = await server.ask('tools/call', { name, arguments: args }, { token });
    expect(error).toBeUndefined();
    return result;
  };
  const textOf = async (name: string, args: object = {}): Promise<string | undefined> => {
    const result = await call(name, args);
    expect(result?.isError).toBeFalsy();
    return result?.content?.[0]?.text;
  };

  it('goes through global guards, interceptors and pipes', async () => {
    await textOf('piped', { id: '7' });
    expect(server.ran).toEqual(['global guard', 'global interceptor', 'global pipe', 'global pipe']);
  });

  it('goes through the guards of its method, as a call of RPC', async () => {
    await expect(textOf('guarded', { id: '1' })).resolves.toBe('ran');
    expect(server.ran).toEqual(['global guard', 'guard of guarded, rpc', 'global interceptor', 'guarded']);
  });

  it('does not run where such a guard says no', async () => {
    expect(await call('guarded', { id: '13' })).toMatchObject({
      isError: true,
      content: [{ text: 'Forbidden resource' }],
    });
    expect(server.ran).not.toContain('guarded');
  });

  it('has its arguments, one of them through a pipe, and what custom decorators find', async () => {
    expect(JSON.parse((await textOf('piped', { id: '7' })) ?? '')).toEqual({
      id: 7,
      all: { id: '7' },
      handler: 'piped',
    });
    expect(await call('piped', { id: 'seven' })).toMatchObject({ isError: true });
  });

  it('does not reach the handler with arguments that the schema refuses', async () => {
    expect(await call('guarded', { id: 13 })).toMatchObject({ isError: true });
    expect(server.ran).toEqual([]);
  });

  it('answers what an interceptor makes of the result', async () => {
    await expect(textOf('intercepted')).resolves.toBe('QUIET');
  });

  it('answers what a filter makes of an error, at once or as a stream', async () => {
    expect(await call('filtered', { id: '1' })).toMatchObject({ isError: true, content: [{ text: 'Sorry: closed' }] });
    expect(await call('filtered', { id: '2' })).toMatchObject({ content: [{ text: 'tools/call: far' }] });
    expect(await call('filtered', { id: '3' })).toMatchObject({ isError: true, content: [{ text: 'unexpected' }] });
  });

  it('can ask for more scopes from within the handler', async () => {
    const expected = { error: 'insufficient_scope', scope: 'a b' };
    const response = await server.rpc('tools/call', { name: 'stepUp' }, { token });
    if (sdk === 'v1') {
      expect(response.status).toBe(403);
      expect(response.headers.get('www-authenticate')).toContain('scope="a b"');
    }
    const text = await response.text();
    expect(text).toContain(`error=\\"${expected.error}\\"`);
    expect(text).toContain(`scope=\\"${expected.scope}\\"`);
    expect(text).toContain('mcp/www_authenticate');
  });

  it('answers a resource that asks for more scopes with an error', async () => {
    const response = await server.rpc('resources/read', { uri: 'notes://step-up' }, { token });
    expect(response.status).toBe(sdk === 'v1' ? 403 : 200);
    expect(await response.text()).toContain('"code":403');
  });

  it('is told so where a parameter is injected by what means nothing here', async () => {
    const result = await call('misplaced');
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('@Args()') }] });
    expect(server.ran).not.toContain('misplaced');
  });

  it('hands arguments and call to a method without decorated parameters', async () => {
    expect(JSON.parse((await textOf('bare', { id: '7' })) ?? '')).toEqual({
      args: { id: '7' },
      request: { method: 'tools/call', params: { name: 'bare', arguments: { id: '7' } } },
    });
  });

  it('makes a result of whatever the tool returns', async () => {
    expect(await call('structured')).toMatchObject({
      content: [{ text: '{"sum":42}' }],
      structuredContent: { sum: 42 },
    });
    expect(await call('nothing')).toMatchObject({ content: [] });
    expect(await call('own')).toMatchObject({ content: [{ text: 'own' }], _meta: { mine: true } });
  });

  it('hands on what the SDK gives to handlers', async () => {
    await expect(textOf('context')).resolves.toBe('{"subject":"bob"}');
  });

  it('injects the variables of a resource template, and the URI', async () => {
    const uri = 'notes://bob/a/b%20c';
    const answer = await server.ask('resources/read', { uri }, { token });
    const [content] = listOf<{ uri: string; text: string }>(answer, 'contents');
    expect(content?.uri).toBe(uri);
    expect(JSON.parse(content?.text ?? '')).toEqual({ variables: { owner: 'bob', path: 'a/b%20c' }, subject: 'bob' });
  });

  it('injects the arguments of a prompt, after all its schema says was checked', async () => {
    const get = (topic: string): Promise<RpcAnswer> =>
      server.ask('prompts/get', { name: 'write', arguments: { topic } }, { token });
    expect((await get('love')).result).toMatchObject({ messages: [{ content: { text: 'love for bob' } }] });
    expect((await get('taxes')).error?.message).toContain('Not that one');
    const { result } = await server.ask('prompts/list', {}, { token });
    expect(result?.['prompts']).toEqual([
      expect.objectContaining({ name: 'write', arguments: [{ name: 'topic', required: true }] }),
    ]);
  });

  it('has request-scoped providers of its own', async () => {
    const [first, second] = [await textOf('visit_', { id: '1' }), await textOf('visit_', { id: '2' })].map(
      (text) => JSON.parse(text ?? '') as { visit: number },
    );
    expect(first).toMatchObject({ method: 'tools/call', id: '1', subject: 'bob' });
    expect(second?.visit).toBe((first?.visit ?? 0) + 1);
  });

  it('protects request-scoped providers as it does others', async () => {
    const poor = await server.mint({ scope: 'other' });
    const response = await server.rpc('tools/call', { name: 'visit_', arguments: { id: '1' } }, { token: poor });
    await expectRefusal(server, response, { status: 403, error: 'insufficient_scope', scope: 'a', token: poor });
  });

  it('has a transient provider to itself', async () => {
    await expect(textOf('passing')).resolves.toBe('{"calls":1}');
    await expect(textOf('passing')).resolves.toBe('{"calls":1}');
  });
});

describe.each(SDKS)('a guard that is not a singleton, on SDK %s', (sdk) => {
  const refused = async (providers: Provider[], tool: string, guard: string): Promise<void> => {
    const server = await startSdkServer({ sdk, providers }, ran);
    try {
      resetRecorded(server);
      const { result } = await server.ask('tools/call', { name: tool }, { token: await server.mint() });
      expect(result).toMatchObject({ isError: true, content: [{ text: 'Forbidden resource' }] });
      expect(server.ran).toEqual([guard]);
    } finally {
      await server.close();
    }
  };

  it('runs before a method of a singleton, request-scoped as it is', async () => {
    await refused([Fenced], 'byScoped', 'scoped guard of tools/call');
  });

  it('runs before the methods of a class, transient as it is', async () => {
    await refused([FencedToo], 'byTransient', 'transient guard');
  });

  it('runs before every tool, where it is global and request-scoped', async () => {
    await refused(
      [Unfenced, { provide: APP_GUARD, useClass: ScopedGlobalGuard }],
      'unfenced',
      'scoped guard of tools/call',
    );
  });

  it('runs before every tool, where it is global and transient', async () => {
    await refused([Unfenced, { provide: APP_GUARD, useClass: TransientGlobalGuard }], 'unfenced', 'transient guard');
  });
});

@Catch()
class CatchAll implements ExceptionFilter {
  catch(): object {
    return { content: [{ type: 'text', text: 'Something went wrong' }] };
  }
}

@Injectable()
@UseFilters(CatchAll)
class Careless {
  @McpTool()
  careless(): void {
    ran.push('careless');
  }
}

describe.each(SDKS)('a filter for everything, of the application and of the class, on SDK %s', (sdk) => {
  it('cannot take the challenge out of a refusal at the handler', async () => {
    const providers = [Careless, { provide: APP_FILTER, useClass: CatchAll }];
    const server = await startSdkServer({ sdk, providers, decorateEndpoint: Public() }, ran);
    try {
      resetRecorded(server);
      const { result } = await server.ask('tools/call', { name: 'careless' });
      expect(result).toMatchObject({
        isError: true,
        _meta: { 'mcp/www_authenticate': [expect.stringMatching(/^Bearer /)] },
      });
      expect(server.ran).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
