import type { McpAuthInfo } from '../core/auth-info.js';
import type { AuthenticationScheme } from '../core/challenge.js';
import { challengeScopes } from '../core/requirement.js';
import type { Operation, RpcBody } from '../request/rpc-body.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import { withoutScopes, type AccessConditions } from './access-conditions.js';

/** Number of operations that are read before the caller is known. A challenge names the scopes of the first ones only. */
export const MAX_OPERATIONS_OF_ANYBODY = 20;

/** Determines what one request needs. */
export interface Findings {
  isOpen(): boolean;
  conditions(operations: readonly Operation[]): AccessConditions;
}

/** What a request needs, and who sent it. Computes each answer when it is first asked for. */
export class AccessRequest {
  /** The authenticated caller; undefined before authentication and for an anonymous caller. */
  caller: McpAuthInfo | undefined = undefined;
  /** How the request presented its token. */
  scheme: AuthenticationScheme = 'Bearer';
  /** When its decision began, by the monotonic clock; undefined if nobody listens, and after the decision. */
  startedAt: number | undefined = undefined;
  #isOpen: boolean | undefined = undefined;
  #conditions: AccessConditions | undefined = undefined;

  constructor(
    readonly handler: object,
    readonly server: ResourceServer,
    readonly body: RpcBody,
    private readonly findings: Findings,
  ) {}

  /** Whether the request is allowed without a token. Takes limited time, whatever the body. */
  get isOpen(): boolean {
    return (this.#isOpen ??= this.findings.isOpen());
  }

  get conditions(): AccessConditions {
    return (this.#conditions ??= this.#conditionsOf(this.body.operations));
  }

  /** The scopes that a challenge names. Takes limited time, whatever the body. */
  get scopes(): readonly string[] {
    const { operations } = this.body;
    const isShort = operations.length <= MAX_OPERATIONS_OF_ANYBODY;
    const { requirement } = isShort
      ? this.conditions
      : this.#conditionsOf(operations.slice(0, MAX_OPERATIONS_OF_ANYBODY));
    return challengeScopes(requirement, [], this.server.hierarchy);
  }

  #conditionsOf(operations: readonly Operation[]): AccessConditions {
    const conditions = this.findings.conditions(operations);
    return this.isOpen ? withoutScopes(conditions) : conditions;
  }
}
