import 'reflect-metadata';
import {
  applyDecorators,
  Body,
  createParamDecorator,
  SetMetadata,
  UseFilters,
  UseGuards,
  type ExecutionContext,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { McpAuthFilter } from '../mcp-auth.filter.js';
import { McpAuthGuard } from '../mcp-auth.guard.js';
import { OPERATION_METADATA } from '../handlers/mcp-frameworks.js';
import { ENTRY_METADATA } from '../handlers/nest-metadata.js';
import type { SdkCall } from './mcp-sdk.call.js';
import { resourceTemplate, type SdkResourceTemplate } from './uri-template.js';

/** The common options of tools, resources and prompts; passed to the SDK unchanged. */
interface Described {
  /** For people. */
  title?: string;
  /** For models and people. */
  description?: string;
  /** For the user interface of clients. */
  icons?: {
    /** URL, or `data:` URI. */
    src: string;
    /** Of the image, if its server does not send one. */
    mimeType?: string;
    /** Such as `48x48`, or `any`. */
    sizes?: string[];
  }[];
  /** Further members for clients that know them. */
  _meta?: Record<string, unknown>;
}

/** The options of `@McpTool()`. */
export interface McpToolOptions extends Described {
  /** @default the name of the method */
  name?: string;
  /**
   * The schema of the arguments, of a kind that the SDK supports: Zod 4 and other Standard Schemas with JSON Schema in
   * version 2, Zod in version 1. Without it, the tool gets no arguments.
   */
  inputSchema?: object;
  /** The SDK validates the structured content with it. A plain value that the method returns becomes that content. */
  outputSchema?: object;
  /** Hints for clients (MCP, "Tool Annotations"). They enforce nothing: scopes and policies do. */
  annotations?: {
    /** For people; `title` above is the newer place. */
    title?: string;
    /** The tool changes nothing. */
    readOnlyHint?: boolean;
    /** The tool may destroy something. */
    destructiveHint?: boolean;
    /** Calling it again with the same arguments changes nothing further. */
    idempotentHint?: boolean;
    /** The tool interacts with systems beyond this server. */
    openWorldHint?: boolean;
  };
}

interface ResourceOptions extends Described {
  /** @default the name of the method */
  name?: string;
  /** Of the contents. */
  mimeType?: string;
  /** Of the contents, in bytes. */
  size?: number;
  /** Hints for clients. */
  annotations?: {
    /** The intended audience. */
    audience?: ('user' | 'assistant')[];
    /** 0 (least important) to 1 (required). */
    priority?: number;
    /** ISO 8601. */
    lastModified?: string;
  };
}

interface FixedResource {
  /** In normal form, like `new URL(uri).href`, which the SDK looks up. */
  uri: string;
}

interface TemplatedResource {
  /** `notes://{owner}/{id}`; or a `ResourceTemplate` of the SDK, which can also list and complete. */
  uriTemplate: string | SdkResourceTemplate;
}

/** The options of `@McpResource()`: for one resource, or for all that a template describes. */
export type McpResourceOptions = ResourceOptions & (FixedResource | TemplatedResource);

/** The options of `@McpPrompt()`. */
export interface McpPromptOptions extends Described {
  /** @default the name of the method */
  name?: string;
  /** Like `inputSchema` of a tool. With version 1 of the SDK, it must be a Zod object, or the members of one. */
  argsSchema?: object;
}

/**
 * The arguments of a decorator: `handlers/mcp-frameworks.ts` finds the operation by them, and the bridge registers it.
 */
export type BridgedOperation =
  | { readonly kind: 'tool'; readonly name: string; readonly config: Omit<McpToolOptions, 'name'> }
  | { readonly kind: 'prompt'; readonly name: string; readonly config: Omit<McpPromptOptions, 'name'> }
  | { readonly kind: 'resource'; readonly name: string; readonly config: ResourceOptions & { name: string } }
  | {
      readonly kind: 'resource-template';
      readonly name: string;
      readonly config: ResourceOptions & { name: string };
      readonly template: SdkResourceTemplate;
      /** Set for a template written as text; other templates have the syntax of the SDK. */
      readonly syntax: 'plain' | undefined;
    };

/**
 * Makes a method of a provider an MCP tool, on the servers passed to `McpSdkBridge.register`. The method returns a
 * result of the SDK, or any other value, which becomes text.
 *
 * Binds `McpAuthGuard`: the tool runs only for an admitted caller, whatever the transport is mounted on.
 */
export function McpTool({ name, ...config }: McpToolOptions = {}): MethodDecorator {
  return operation((methodName) => ({ kind: 'tool', name: name ?? methodName, config }));
}

/**
 * Makes a method of a provider an MCP resource, or with `uriTemplate` a resource template. It returns a result of the
 * SDK: `{ contents: [{ uri, text }] }`. Binds `McpAuthGuard`, as {@link McpTool} does.
 *
 * @throws {McpAuthConfigError} when the class is loaded, for a template of an unsupported form.
 */
export function McpResource(options: McpResourceOptions): MethodDecorator {
  if ('uri' in options) {
    const { uri, ...config } = options;
    return operation((name) => ({ kind: 'resource', name: uri, config: { name, ...config } }));
  }
  const { uriTemplate, ...config } = options;
  const template = typeof uriTemplate === 'string' ? resourceTemplate(uriTemplate) : uriTemplate;
  const uri = template.uriTemplate.toString();
  const syntax = typeof uriTemplate === 'string' ? 'plain' : undefined;
  return operation((name) => ({ kind: 'resource-template', name: uri, config: { name, ...config }, template, syntax }));
}

/**
 * Makes a method of a provider an MCP prompt. It returns a result of the SDK: `{ messages: [{ role, content }] }`.
 * Binds `McpAuthGuard`, as {@link McpTool} does.
 */
export function McpPrompt({ name, ...config }: McpPromptOptions = {}): MethodDecorator {
  return operation((methodName) => ({ kind: 'prompt', name: name ?? methodName, config }));
}

/**
 * Injects the arguments of the call, or one of them by name; see {@link SdkCall.args}. An alias of `@Body()`, with the
 * same pipes: a global `ValidationPipe` validates parameters whose type is a class.
 */
export const Args: {
  (...pipes: (Type<PipeTransform> | PipeTransform)[]): ParameterDecorator;
  (name: string, ...pipes: (Type<PipeTransform> | PipeTransform)[]): ParameterDecorator;
} = Body;

/**
 * Injects the context that the SDK passes to handlers: `ServerContext` in version 2, `RequestHandlerExtra` in version
 * 1.
 */
export const SdkContext: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): unknown => callOf(context).sdkContext,
);

/** Injects the requested URI of a resource, in normal form; undefined in tools and prompts. */
export const ResourceUri: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): URL | undefined => {
    const { mcpRequest } = callOf(context);
    return mcpRequest.method === 'resources/read' ? new URL(mcpRequest.params.uri) : undefined;
  },
);

/** The declared operation of a method; undefined if there is none. */
export function operationOf(method: object): BridgedOperation | undefined {
  return Reflect.getMetadata(OPERATION_METADATA, method) as BridgedOperation | undefined;
}

function operation(describe: (methodName: string) => BridgedOperation): MethodDecorator {
  return (target, key, descriptor) => {
    const decorate = applyDecorators(
      SetMetadata(OPERATION_METADATA, describe(String(key))),
      UseGuards(McpAuthGuard),
      UseFilters(McpAuthFilter),
    );
    decorate(target, key, descriptor);
    // Otherwise Nest would run no request-scoped or transient global enhancer before a tool.
    Reflect.defineMetadata(ENTRY_METADATA, true, target.constructor);
  };
}

function callOf(context: ExecutionContext): SdkCall {
  return context.switchToRpc().getContext<SdkCall>();
}
