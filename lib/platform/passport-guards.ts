import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { PATIENCE } from './start-question.js';

/** The members that distinguish a guard of `@nestjs/passport`. */
interface PassportGuard extends CanActivate {
  handleRequest(...args: unknown[]): unknown;
  getAuthenticateOptions(...args: unknown[]): unknown;
}

/**
 * Methods of Node.js, Express and Fastify with which a guard answers a request itself, such as with a redirect to a
 * login page.
 */
const ANSWERING = ['end', 'send', 'json', 'redirect', 'sendStatus', 'writeHead', 'write'];

/** Methods with which a guard prepares an answer. */
const PREPARING = [
  'setHeader',
  'header',
  'set',
  'code',
  'status',
  'location',
  'cookie',
  'type',
  'removeHeader',
  'appendHeader',
];

/**
 * The names of the global passport guards that refuse the request of this context, which has no token: they would
 * verify the tokens of MCP clients with their own keys. They get a response without effect, because the request is
 * already answered.
 */
export async function refusingPassportGuards(modules: ModulesContainer, context: ExecutionContext): Promise<string[]> {
  const guards = [...modules.values()].flatMap(({ providers }) =>
    [...providers.values()].flatMap(({ subtype, instance }): PassportGuard[] =>
      subtype === 'guard' && isPassportGuard(instance) ? [instance] : [],
    ),
  );
  const refusing = await Promise.all(
    guards.map(async (guard) => ((await isRefusedBy(guard, context)) ? guard.constructor.name : undefined)),
  );
  return refusing.filter((name) => name !== undefined);
}

function isPassportGuard(instance: unknown): instance is PassportGuard {
  const guard = instance as Partial<PassportGuard> | null | undefined;
  return [guard?.canActivate, guard?.handleRequest, guard?.getAuthenticateOptions].every(
    (member) => typeof member === 'function',
  );
}

/** Whether the guard refuses a request without credentials. False if it does not decide in time. */
function isRefusedBy(guard: PassportGuard, context: ExecutionContext): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), PATIENCE);
    const settle = (isRefused: boolean): void => {
      clearTimeout(timer);
      resolve(isRefused);
    };
    decisionOf(
      guard,
      withoutResponse(context, () => settle(true)),
    ).then(settle, (error: unknown) => {
      settle((error as { getStatus?(): unknown } | undefined)?.getStatus?.() === 401);
    });
  });
}

async function decisionOf(guard: PassportGuard, context: ExecutionContext): Promise<boolean> {
  return (await guard.canActivate(context)) === false;
}

/** The same context, with a response without effect. */
function withoutResponse(context: ExecutionContext, onAnswer: () => void): ExecutionContext {
  const http = context.switchToHttp();
  const response = Object.create(http.getResponse<object>()) as object;
  const keep = (names: readonly string[], does: () => void): void => {
    for (const name of names) {
      const value = (): object => {
        does();
        return response;
      };
      Object.defineProperty(response, name, { value });
    }
  };
  keep(ANSWERING, onAnswer);
  keep(PREPARING, () => undefined);
  const args = context.getArgs().map((argument: unknown, index) => (index === 1 ? response : argument));
  return Object.create(context, {
    getArgs: { value: () => args },
    getArgByIndex: { value: (index: number) => args[index] as unknown },
    switchToHttp: {
      value: () => ({
        getRequest: () => http.getRequest<unknown>(),
        getResponse: () => response,
        getNext: () => http.getNext<unknown>(),
      }),
    },
  }) as ExecutionContext;
}
