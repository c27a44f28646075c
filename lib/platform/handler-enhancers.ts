import type { ArgumentsHost, CanActivate, ExceptionFilter, ExecutionContext } from '@nestjs/common';
import type { McpAuthConsentRequiredError } from '../core/consent-required-error.js';
import type { McpAuthError } from '../core/error.js';
import type { MaybePromise } from '../core/maybe-promise.js';

/** The guard that decorators bind to handlers. Its class is in the root of `lib`, which this folder does not import. */
export abstract class HandlerGuard implements CanActivate {
  abstract canActivate(context: ExecutionContext): MaybePromise<boolean>;
}

/** The filter that decorators bind to handlers. Its class is in the root of `lib` as well. */
export abstract class HandlerFilter implements ExceptionFilter<McpAuthError | McpAuthConsentRequiredError> {
  abstract catch(error: McpAuthError | McpAuthConsentRequiredError, host: ArgumentsHost): unknown;
}
