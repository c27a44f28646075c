import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { callOfRequest, type HttpRequest, type Instance } from './mcp-auth.context.js';
import { httpAdapterOf } from './mcp-auth.http-adapter.js';
import { tellListenersOf } from './mcp-auth.response-body.js';
import { RESOLVED_OPTIONS } from './mcp-auth.module-definition.js';
import type { ResolvedOptions } from './mcp-auth.options.js';
import { askWatchersOf } from './mcp-auth.response-head.js';

/** What is used of an application of Express: the prototypes that it gives to Node's requests and responses. */
interface ExpressLike {
  readonly request?: object;
  readonly response?: object;
}

/** Where the guard leaves the caller for others. */
const CALLER_FIELDS = ['auth', 'user'];

/**
 * Spares the requests and responses of Express what the guard would add to each of them: up to Node.js 22 that takes long,
 * and slows down all that comes after, since Express has given them another prototype. It is said there once, instead.
 */
@Injectable()
export class McpAuthExpressPrototypes {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(RESOLVED_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** Does nothing where the platform is another, or none. */
  mount(): void {
    const adapter = httpAdapterOf(this.host);
    if (adapter?.getType() !== 'express') return;
    const { request, response } = adapter.getInstance<ExpressLike>();
    for (const field of CALLER_FIELDS) if (request && !(field in request)) sayCaller(request, field, this.options);
    if (!response) return;
    askWatchersOf(response);
    tellListenersOf(response);
  }
}

/** Until somebody else writes the field: then it is theirs, as if this were not here. */
function sayCaller(prototype: object, field: string, instance: Instance): void {
  Object.defineProperty(prototype, field, {
    configurable: true,
    get(this: HttpRequest): unknown {
      return callOfRequest(this, instance)?.auth;
    },
    set(this: HttpRequest, value: unknown): void {
      Object.defineProperty(this, field, { value, configurable: true, enumerable: true, writable: true });
    },
  });
}
