import type { McpAuthInfo } from '../core/auth-info.js';
import { challengeScopes } from '../core/requirement.js';
import type { Operation, RpcBody } from '../request/rpc-body.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import { withoutScopes, type Conditions } from './conditions.js';

/** Operations that are looked at before it is known who asks. Where there are more, the first are named in a challenge. */
export const MAX_OPERATIONS_OF_ANYBODY = 20;

/** Finds out what one request needs. */
export interface Findings {
  isOpen(): boolean;
  conditions(operations: readonly Operation[]): Conditions;
}

/** What a request needs, and who asks. What takes time to find out is found out when it is first asked for. */
export class AccessRequest {
  /** Who asks, once they are authenticated; undefined for an anonymous caller, too. */
  caller: McpAuthInfo | undefined = undefined;
  #isOpen: boolean | undefined = undefined;
  #conditions: Conditions | undefined = undefined;

  constructor(
    readonly handler: object,
    readonly server: ResourceServer,
    readonly body: RpcBody,
    private readonly findings: Findings,
  ) {}

  /** Whether it would be let through without a token. Found out in limited time, whatever the body. */
  get isOpen(): boolean {
    return (this.#isOpen ??= this.findings.isOpen());
  }

  get conditions(): Conditions {
    return (this.#conditions ??= this.#conditionsOf(this.body.operations));
  }

  /** The scopes that a challenge names. Found out in limited time, whatever the body. */
  get scopes(): readonly string[] {
    const { operations } = this.body;
    const isShort = operations.length <= MAX_OPERATIONS_OF_ANYBODY;
    const { requirement } = isShort
      ? this.conditions
      : this.#conditionsOf(operations.slice(0, MAX_OPERATIONS_OF_ANYBODY));
    return challengeScopes(requirement, [], this.server.hierarchy);
  }

  #conditionsOf(operations: readonly Operation[]): Conditions {
    const conditions = this.findings.conditions(operations);
    return this.isOpen ? withoutScopes(conditions) : conditions;
  }
}
