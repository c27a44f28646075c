import type { Abstract, Type } from '@nestjs/common';
import type { McpAuthInfo } from '../core/auth-info.js';
import type { Denial } from '../core/denial.js';
import type { OperationKind } from '../request/rpc-body.js';
import type { OptionReader } from './option-reader.js';

/** The call that a policy is asked about. */
export interface PolicyContext {
  /** The verified caller. A policy is never asked about a call without one. */
  readonly auth: McpAuthInfo;
  /** The `id` of the protected resource that is called. */
  readonly resource: string;
  /**
   * The JSON-RPC method as the client sent it, such as `tools/call` or `resources/subscribe`; at a handler the method that
   * runs it. Undefined for a policy of a route, and outside MCP.
   */
  readonly method: string | undefined;
  /** The MCP primitive that the caller uses; undefined outside MCP, and for messages that use none, such as `tools/list`. */
  readonly operation:
    | {
        /** `tool`, `resource`, `resource-template` or `prompt`. */
        readonly kind: OperationKind;
        /**
         * Tool or prompt name, resource URI or URI template, as it was declared; as it was sent if no known handler
         * declares it.
         */
        readonly name: string;
      }
    | undefined;
  /**
   * The arguments of the call. For an MCP operation the policy is asked twice: before dispatch with the arguments as sent,
   * and at the handler with those that the MCP framework validated. Both answers must allow the call. Undefined on plain HTTP
   * routes, and for the tools, prompts and templates in a list. For a GraphQL resolver its arguments, for a handler of
   * WebSocket messages the data of the message: there the policy is asked once.
   *
   * For a resource template, the values of its variables: as in the URI with the official SDK; decoded, and with the URI
   * itself as `uri`, with `@rekog/mcp-nest`. The policy gets the same for reading, subscribing and unsubscribing. If the URI
   * of a subscription is not in normal form, the policy is asked about both spellings. For a completion, the variables that
   * the client names as known, and the typed text of the one to complete.
   */
  readonly args: unknown;
  /** The platform's request; undefined at a handler whose framework does not pass it on. */
  readonly request: unknown;
}

/**
 * The answer of a policy. `true` allows the call. `false` refuses it for good, and so does `deny()`, which also says why: 403
 * without a challenge. A list of scopes allows the call if the token has them all, and otherwise asks for them. Any other
 * value refuses.
 */
export type PolicyAnswer = boolean | string[] | Denial;

/** A decision of the application; see {@link PolicyAnswer}. An error refuses the call. */
export type Policy = (context: PolicyContext) => PolicyAnswer | Promise<PolicyAnswer>;

/**
 * A policy with dependencies: extend it in a provider in the default scope, and write its class where a {@link Policy} is
 * accepted. If no module lists the class, the library creates an instance whose constructor Nest can fill.
 */
export abstract class AccessPolicy {
  /** Decides about a call. An error refuses it. */
  abstract decide(context: PolicyContext): PolicyAnswer | Promise<PolicyAnswer>;
}

/** The class of the provider to resolve in Nest; it may be an abstract class that is the token of another provider. */
export type AccessPolicyClass = Type<AccessPolicy> | Abstract<AccessPolicy>;

/** A policy as it is written in the options or in `@Authorize()`. */
export type PolicyOption = Policy | AccessPolicyClass;

/** The advice for a value that is not a policy. */
export const WRITE_POLICY =
  'Write a function (context) => true, false, deny({ … }) or a list of scopes; or a class that extends AccessPolicy';

/** The policy; undefined if the option is absent or cannot be used. */
export function readPolicy(option: OptionReader): PolicyOption | undefined {
  if (!option.isGiven) return undefined;
  if (isPolicyOption(option.value)) return option.value;
  const why = 'must be a function, or a class with the method `decide`';
  option.refuse({ ...(typeof option.value === 'function' && { seen: 'another class' }), why, write: WRITE_POLICY });
  return undefined;
}

/** Whether a value can be asked. A class without the method can never be called, so that it is not a function for this. */
export function isPolicyOption(value: unknown): value is PolicyOption {
  return (
    typeof value === 'function' && (isPolicyClass(value) || !/^class\b/.test(Function.prototype.toString.call(value)))
  );
}

export function isPolicyClass(value: unknown): value is AccessPolicyClass {
  if (typeof value !== 'function') return false;
  const prototype: unknown = value.prototype;
  return value === AccessPolicy || isAccessPolicy(prototype);
}

/** Whether a value has the method. It may extend the {@link AccessPolicy} of another copy of this package. */
export function isAccessPolicy(value: unknown): value is AccessPolicy {
  return typeof value === 'object' && value !== null && 'decide' in value && typeof value.decide === 'function';
}
