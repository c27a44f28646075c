import { isRecord } from '../core/record.js';
import type { PolicyContext } from '../options/policy-option.js';
import { targetPath, type HttpRequest } from '../request/http-message.js';
import type { AuthzenSubject, ResolvedAuthzen } from './authzen-options.js';

/** An object of the information model: a type, and an id that is unique in it. */
interface Entity {
  readonly type: string;
  readonly id: string;
}

/** The request to the decision point. */
interface Evaluation {
  readonly subject: Entity & { readonly properties?: object };
  readonly action: { readonly name: string };
  readonly resource: Entity;
  readonly context: Readonly<Record<string, unknown>>;
}

/**
 * The question about a call.
 *
 * @throws {TypeError} for a subject that cannot be sent.
 * @see OpenID AuthZEN Authorization API 1.0, "Information Model"
 */
export function evaluationOf({ subject, sendArguments }: ResolvedAuthzen, context: PolicyContext): Evaluation {
  const { resource, args } = context;
  return {
    subject: subjectOf(context, subject?.(context)),
    action: { name: actionOf(context) },
    resource: resourceOf(context),
    context: { resource, ...(sendArguments && args !== undefined && { arguments: args }) },
  };
}

function subjectOf({ auth }: PolicyContext, chosen: AuthzenSubject | undefined): Evaluation['subject'] {
  const { type = auth.kind, id = auth.principalKey, properties } = chosen ?? {};
  if (!isText(type) || !isText(id) || !(properties === undefined || isRecord(properties)))
    throw new TypeError('subject must return { type, id, properties }: two non-empty strings and an object');
  return { type, id, ...(properties && { properties }) };
}

function actionOf({ method, request }: PolicyContext): string {
  return method ?? (isHttpRequest(request) ? request.method : 'call');
}

function resourceOf({ operation, method, request, resource }: PolicyContext): Entity {
  if (operation) return { type: operation.kind, id: operation.name };
  if (method === undefined && isHttpRequest(request)) return { type: 'route', id: targetPath(request) };
  return { type: 'mcp-server', id: resource };
}

function isHttpRequest(request: unknown): request is HttpRequest {
  return isRecord(request) && isText(request['method']);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
