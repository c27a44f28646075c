import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { McpAuthError } from './core/error.js';
import { McpAuthAuthorizer, type Demand } from './mcp-auth.authorizer.js';
import { nodeRequest, rememberCall, type HttpRequest } from './mcp-auth.context.js';
import type { McpAuthInfo } from './mcp-auth.info.js';
import { McpAuthResponder, type HttpResponse } from './mcp-auth.responder.js';

/**
 * Lets through what carries a valid access token with the scopes it needs. Global by default; `@RequireScopes()`
 * binds it to a handler as well, and `@UseGuards(McpAuthGuard)` does the same for handlers that need no scope.
 *
 * On HTTP it answers a refused request itself, before any other part of the application can: an exception filter
 * of the application would be free to drop the challenge, without which no client can sign in. To combine it with
 * guards of your own, call {@link authorize}, which throws instead.
 */
@Injectable()
export class McpAuthGuard implements CanActivate {
  constructor(
    @Inject(McpAuthAuthorizer) private readonly authorizer: McpAuthAuthorizer,
    @Inject(McpAuthResponder) private readonly responder: McpAuthResponder,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') {
      await this.authorizer.authorizeHandler(context);
      return true;
    }
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const response = context.switchToHttp().getResponse<HttpResponse>();
    if (isPreflight(request)) return answered(this.responder.answerPreflight(response));
    const demand = this.#demandOf(context);
    if (!demand) return true;
    try {
      await this.#admit(request, demand);
    } catch (error) {
      if (!(error instanceof McpAuthError)) throw error;
      return answered(this.responder.refuse(error, response, this.authorizer.factsOf(demand)));
    }
    this.responder.markPrivate(response);
    return true;
  }

  /**
   * The decision alone, for guards of your own on HTTP routes: attaches the caller to the request and returns it,
   * undefined on public routes. Does not answer the request.
   *
   * @throws {McpAuthError} when the request is refused.
   */
  async authorize(context: ExecutionContext): Promise<McpAuthInfo | undefined> {
    const demand = this.#demandOf(context);
    return demand && this.#admit(context.switchToHttp().getRequest<HttpRequest>(), demand);
  }

  #demandOf(context: ExecutionContext): Demand | undefined {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    return this.authorizer.demandOf(request, context.getClass(), context.getHandler());
  }

  async #admit(request: HttpRequest, demand: Demand): Promise<McpAuthInfo> {
    const call = await this.authorizer.authorizeRequest(request, demand);
    rememberCall(request, call);
    // Frameworks see Fastify's request or the one inside; `user` may belong to the application already.
    for (const target of [request, nodeRequest(request)]) {
      target.auth = call.auth;
      target.user ??= call.auth;
    }
    return call.auth;
  }
}

/** A CORS preflight carries no credentials by design (Fetch Standard), so it must not be refused for lack of any. */
function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/**
 * The request is answered, and nothing else must touch the response: neither the handler (as after `true`) nor an
 * exception filter (as after `false` or an error). A promise that never settles says exactly that; nothing refers
 * to it, so it is collected with the request.
 */
function answered(_answer: void): Promise<never> {
  return new Promise(() => undefined);
}
