import { Injectable, type Type } from '@nestjs/common';
import { ContextIdFactory, DiscoveryService, ExternalContextCreator, MetadataScanner, ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { McpAuthConfigError, type ConfigProblem } from '../core/error.js';
import { handlerDeclaration } from '../handlers/handler-declaration.js';
import { SdkCall } from './mcp-sdk.call.js';
import { operationOf, type BridgedOperation } from './mcp-sdk.decorators.js';
import { PARAMETERS_METADATA } from '../handlers/nest-metadata.js';
import { PARAMETERS, tellApart } from './mcp-sdk.parameters.js';
import { registerOperation, type SdkServer } from './mcp-sdk.server.js';

/** Which decorated methods a server gets, and over which transport. */
export interface RegisterOptions {
  /**
   * Registers only the methods of these classes.
   * @default every provider of the application
   */
  providers?: readonly Type[];
  /**
   * Registers only the methods that belong to the protected resource with this `id`, or to no specific resource.
   * @default methods of every resource; the guard still refuses callers of another one
   */
  resource?: string;
  /**
   * The server will be connected to standard input and output, where requests carry no token: the option `stdio` of
   * `McpAuthModule` then decides about the caller. Do NOT set it for another transport: its callers would get the
   * rights of the user who started the process.
   * @default false: without an admitted request, every call is refused
   */
  stdio?: boolean;
}

type Invoke = (args: unknown, call: SdkCall) => Promise<unknown>;

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

interface BridgedMethod {
  readonly wrapper: Wrapper;
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly operation: BridgedOperation;
  readonly resourceId: string | undefined;
  /** Built once, for a method of a singleton. */
  invoke?: Invoke;
}

/**
 * Serves methods of Nest providers with `@McpTool()`, `@McpResource()` or `@McpPrompt()` on a `McpServer` of the
 * official SDK. Nest runs its guards, interceptors, pipes and filters for each call, also global ones, with an RPC
 * context. Does NOT provide the transport or its HTTP route.
 *
 * The caller comes from a request to a Nest route, which `McpAuthGuard` admitted. Without such a request, calls of
 * every method are refused.
 */
@Injectable()
export class McpSdkBridge {
  #methods: readonly BridgedMethod[] | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly contexts: ExternalContextCreator,
    private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * Finds the decorated methods of the application, once.
   *
   * @throws {McpAuthConfigError} for decorated methods whose guards, pipes, interceptors or filters Nest would not run.
   */
  discover(): void {
    this.#methods ??= this.#find();
  }

  /**
   * Registers the decorated methods of the application, or some of them. Cheap enough for each request, as the
   * stateless transports of the SDK require.
   *
   * @param server a `McpServer` of version 1 or 2 of the SDK, not connected yet
   * @throws {McpAuthConfigError} if there is nothing to register, or nothing of one of the given providers.
   */
  register(server: SdkServer, { providers, resource, stdio = false }: RegisterOptions = {}): void {
    const all = (this.#methods ??= this.#find());
    const strangers = (providers ?? []).filter((provider) => !all.some(({ classRef }) => classRef === provider));
    const methods = all
      .filter(({ classRef }) => providers?.includes(classRef) ?? true)
      .filter(({ resourceId }) => resource === undefined || resourceId === undefined || resourceId === resource);
    if (strangers.length > 0 || methods.length === 0) throw nothingToRegister(strangers, resource);
    for (const method of methods) {
      registerOperation(server, method.operation, (request, args, sdkContext) =>
        this.#run(method, new SdkCall(request, args, sdkContext, stdio)),
      );
    }
  }

  async #run(method: BridgedMethod, call: SdkCall): Promise<unknown> {
    const invoke = await this.#invokerOf(method, call);
    const result = await invoke(call.args, call);
    // Nest awaits the result of handlers, but passes on the result of filters.
    return isObservable(result) ? lastValueFrom(result) : result;
  }

  async #invokerOf(method: BridgedMethod, call: SdkCall): Promise<Invoke> {
    const { wrapper, classRef } = method;
    const isSingleton = wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
    if (isSingleton) return (method.invoke ??= this.#enter(method, wrapper.instance as object));
    const contextId = ContextIdFactory.create();
    this.moduleRef.registerRequestByContextId(call, contextId);
    return this.#enter(method, await this.moduleRef.resolve(classRef, contextId, { strict: false }), contextId);
  }

  #enter(
    { methodName, wrapper }: BridgedMethod,
    instance: object,
    contextId?: ReturnType<typeof ContextIdFactory.create>,
  ): Invoke {
    const method = (instance as Record<string, (...parameters: unknown[]) => unknown>)[methodName];
    if (!method) throw new TypeError(`The instance of a provider has no method ${methodName}`);
    const options = { guards: true, interceptors: true, filters: true };
    return this.contexts.create(
      instance,
      method,
      methodName,
      PARAMETERS_METADATA,
      PARAMETERS,
      contextId,
      // Nest then looks for guards and the like in the module of the instance, and finds transient ones.
      wrapper.id,
      options,
      'rpc',
    ) as Invoke;
  }

  #find(): BridgedMethod[] {
    const methods: BridgedMethod[] = [];
    const problems = this.discovery
      .getControllers()
      .flatMap((wrapper) => this.#methodsOf(wrapper))
      .map((method) => misplaced(method, 'a controller', 'Move it to a provider'));
    for (const wrapper of this.discovery.getProviders()) {
      const found = this.#methodsOf(wrapper);
      if (wrapper.token === wrapper.metatype) methods.push(...found.filter(isNewTo(methods)));
      else
        problems.push(
          ...found.map((method) => misplaced(method, 'a provider under another token', 'Provide the class itself')),
        );
    }
    if (problems.length > 0) throw new McpAuthConfigError(problems);
    for (const { classRef } of methods) tellApart(classRef);
    return methods;
  }

  #methodsOf(wrapper: Wrapper): BridgedMethod[] {
    const { metatype, inject } = wrapper;
    if (typeof metatype !== 'function' || inject) return [];
    const classRef = metatype as Type<object>;
    const prototype = classRef.prototype as Record<string, object> | undefined;
    return this.scanner.getAllMethodNames(prototype ?? null).flatMap((methodName) => {
      const method = prototype?.[methodName];
      const operation = method && operationOf(method);
      if (!operation) return [];
      return [
        { wrapper, classRef, methodName, operation, resourceId: handlerDeclaration(classRef, method).resourceId },
      ];
    });
  }
}

/** Several modules can provide a class; its methods are served once. */
function isNewTo(methods: readonly BridgedMethod[]): (method: BridgedMethod) => boolean {
  const known = new Set(methods.map(({ classRef }) => classRef));
  return ({ classRef }) => !known.has(classRef);
}

/** At such a place, some versions of Nest do not find the guards bound to a method, and run none. */
function misplaced({ classRef, methodName, operation }: BridgedMethod, where: string, write: string): ConfigProblem {
  const seen = `a ${operation.kind} on ${where}`;
  const why = 'Nest would not run guards there';
  return { option: `${classRef.name}.${methodName}`, seen, why, write };
}

function nothingToRegister(strangers: readonly Type[], resource: string | undefined): McpAuthConfigError {
  const option = strangers.length > 0 ? 'McpSdkBridge.register({ providers })' : 'McpSdkBridge.register()';
  const seen = strangers.length > 0 ? strangers.map(({ name }) => name).join(', ') : (resource ?? 'no provider');
  const why = 'no provider of the application has @McpTool(), @McpResource() or @McpPrompt() there';
  const write = 'List the class among the providers of a module, and decorate its methods';
  return new McpAuthConfigError([{ option, seen, why, write }]);
}
