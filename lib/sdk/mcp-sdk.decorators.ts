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
import type { SdkCall } from './mcp-sdk.call.js';
import { resourceTemplate, type SdkResourceTemplate } from './uri-template.js';

/** What tools, resources and prompts have in common; given to the SDK as it is. */
interface Described {
  /** For people. */
  title?: string;
  /** For models, and for people. */
  description?: string;
  /** For the user interface of clients. */
  icons?: {
    /** URL, or `data:` URI. */
    src: string;
    /** Of the image, where the server that has it does not say. */
    mimeType?: string;
    /** Such as `48x48`, or `any`. */
    sizes?: string[];
  }[];
  /** Further members for clients that know them. */
  _meta?: Record<string, unknown>;
}

/** What `@McpTool()` takes. */
export interface McpToolOptions extends Described {
  /** @default the name of the method */
  name?: string;
  /**
   * Of a kind that the SDK in use understands: Zod 4 and other Standard Schemas with JSON Schema in version 2, Zod in
   * version 1. Without it the tool takes no arguments, and none reach it.
   */
  inputSchema?: object;
  /** The SDK validates the structured content with it; a plain value that the method returns is that content. */
  outputSchema?: object;
  /** Hints for clients (MCP, "Tool Annotations"). Nothing here is enforced by them: scopes and policies do that. */
  annotations?: {
    /** For people; `title` above is the newer place. */
    title?: string;
    /** It changes nothing. */
    readOnlyHint?: boolean;
    /** It may destroy something. */
    destructiveHint?: boolean;
    /** Calling it again with the same arguments changes nothing further. */
    idempotentHint?: boolean;
    /** It reaches beyond this server. */
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
    /** For whom it is. */
    audience?: ('user' | 'assistant')[];
    /** 0 (of no importance) to 1 (needed). */
    priority?: number;
    /** ISO 8601. */
    lastModified?: string;
  };
}

interface FixedResource {
  /** In normal form, as `new URL(uri).href` has it: the SDK looks for that. */
  uri: string;
}

interface TemplatedResource {
  /** `notes://{owner}/{id}`; or a `ResourceTemplate` of the SDK, which can list and complete too. */
  uriTemplate: string | SdkResourceTemplate;
}

/** A resource of its own, or all those that a template describes. */
export type McpResourceOptions = ResourceOptions & (FixedResource | TemplatedResource);

/** What `@McpPrompt()` takes. */
export interface McpPromptOptions extends Described {
  /** @default the name of the method */
  name?: string;
  /** As `inputSchema` of a tool. With version 1 of the SDK it must be an object of Zod, or the members of one. */
  argsSchema?: object;
}

/** What a decorator was given: `handlers/mcp-frameworks.ts` finds the operation by it, the bridge registers it. */
export type BridgedOperation =
  | { readonly kind: 'tool'; readonly name: string; readonly config: Omit<McpToolOptions, 'name'> }
  | { readonly kind: 'prompt'; readonly name: string; readonly config: Omit<McpPromptOptions, 'name'> }
  | { readonly kind: 'resource'; readonly name: string; readonly config: ResourceOptions & { name: string } }
  | {
      readonly kind: 'resource-template';
      readonly name: string;
      readonly config: ResourceOptions & { name: string };
      readonly template: SdkResourceTemplate;
      /** Of a template that was given as text; of others the SDK's own. */
      readonly syntax: 'plain' | undefined;
    };

/**
 * Nest's own key for classes by which requests come in. It binds global guards and the like that are request-scoped or
 * transient to no others, and so would run none of them before a tool.
 */
const ENTRY_METADATA = '__entryProvider__';

/**
 * Makes a method of a provider an MCP tool, on the servers that `McpSdkBridge.register` is given. It returns a result
 * of the SDK, or any other value, which becomes text.
 *
 * Binds `McpAuthGuard`: the tool never runs without a caller who was let in, whatever the transport is mounted on.
 */
export function McpTool({ name, ...config }: McpToolOptions = {}): MethodDecorator {
  return operation((methodName) => ({ kind: 'tool', name: name ?? methodName, config }));
}

/**
 * Makes a method of a provider an MCP resource, or with `uriTemplate` a resource template. It returns a result of the
 * SDK: `{ contents: [{ uri, text }] }`. Binds `McpAuthGuard`, as {@link McpTool} does.
 *
 * @throws {McpAuthConfigError} when the class is loaded, for a template that is not understood.
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
 * Injects the arguments of the call, or with a name one of them; see {@link SdkCall.args}. Pipes work as on `@Body()`,
 * which this is under another name: a global `ValidationPipe` validates what is declared as a class.
 */
export const Args: {
  (...pipes: (Type<PipeTransform> | PipeTransform)[]): ParameterDecorator;
  (name: string, ...pipes: (Type<PipeTransform> | PipeTransform)[]): ParameterDecorator;
} = Body;

/** Injects what the SDK gives to handlers: `ServerContext` in version 2, `RequestHandlerExtra` in version 1. */
export const SdkContext: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): unknown => callOf(context).sdkContext,
);

/** Injects the URI, in normal form, that a resource was asked for by; undefined in tools and prompts. */
export const ResourceUri: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): URL | undefined => {
    const { mcpRequest } = callOf(context);
    return mcpRequest.method === 'resources/read' ? new URL(mcpRequest.params.uri) : undefined;
  },
);

/** What a method was declared to be, if it was. */
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
    Reflect.defineMetadata(ENTRY_METADATA, true, target.constructor);
  };
}

function callOf(context: ExecutionContext): SdkCall {
  return context.switchToRpc().getContext<SdkCall>();
}
