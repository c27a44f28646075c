import type { McpAuthInfo } from '../core/auth-info.js';
import { Denial, isDenial } from '../core/denial.js';
import { isRequestableScope } from '../core/scopes.js';
import {
  isPolicyClass,
  type AccessPolicy,
  type AccessPolicyClass,
  type PolicyContext,
  type PolicyOption,
} from '../options/policy-option.js';
import type { HttpRequest } from '../request/http-message.js';
import type { PolicyCheck } from './access-conditions.js';

/** The answers of all policies together. */
export interface Verdict {
  /** The scopes that policies ask for. */
  readonly scopes: readonly string[];
  /** The first denial; undefined if no policy denies. */
  readonly denial: Denial | undefined;
}

const WITHOUT_DETAILS = new Denial({});

/** Finds a policy of the application in Nest. */
type FindPolicy = (type: AccessPolicyClass, option: string) => Promise<AccessPolicy>;

/** Asks the policies of the application, and checks what they answer. */
export class Policies {
  readonly #found = new Map<AccessPolicyClass, Promise<AccessPolicy>>();

  constructor(private readonly find: FindPolicy) {}

  /**
   * Finds the policies that are classes. A missing one stops the application from starting.
   *
   * @throws {McpAuthConfigError} when one is missing.
   */
  async ready(ofModule: PolicyOption | undefined, ofHandlers: Iterable<PolicyOption>): Promise<void> {
    if (isPolicyClass(ofModule)) await this.#policyOf(ofModule, 'authorize');
    for (const policy of ofHandlers) if (isPolicyClass(policy)) await this.#policyOf(policy, '@Authorize()');
  }

  /**
   * Asks all policies, one after the other.
   *
   * @throws what a policy throws.
   */
  async ask(
    auth: McpAuthInfo,
    resource: string,
    checks: readonly PolicyCheck[],
    request: HttpRequest | undefined,
  ): Promise<Verdict> {
    const scopes = new Set<string>();
    let denial: Denial | undefined;
    for (const check of checks) {
      const context = contextOf(auth, resource, check, request);
      for (const policy of check.policies) {
        const answer: unknown = await this.#ask(policy, context);
        // A policy may build its answer from arguments of the client. Only valid scopes can stand in a challenge.
        if (Array.isArray(answer) && answer.every(isRequestableScope)) for (const scope of answer) scopes.add(scope);
        else if (answer !== true) denial ??= isDenial(answer) ? answer : WITHOUT_DETAILS;
      }
    }
    return { scopes: [...scopes], denial };
  }

  async #ask(policy: PolicyOption, context: PolicyContext): Promise<unknown> {
    if (!isPolicyClass(policy)) return policy(context);
    return (await this.#policyOf(policy, '@Authorize()')).decide(context);
  }

  #policyOf(type: AccessPolicyClass, option: string): Promise<AccessPolicy> {
    const known = this.#found.get(type) ?? this.find(type, option);
    this.#found.set(type, known);
    return known;
  }
}

function contextOf(
  auth: McpAuthInfo,
  resource: string,
  { operation, method = operation?.method, args = operation?.args }: PolicyCheck,
  request: HttpRequest | undefined,
): PolicyContext {
  return {
    auth,
    resource,
    method,
    operation: operation && { kind: operation.kind, name: operation.name },
    args,
    request,
  };
}
