import { challengeScopes } from '../core/requirement.js';
import type { Operation, RpcBody } from '../request/rpc-body.js';
import type { ResourceServer } from '../resource-servers/resource-servers.js';
import { withoutScopes, type Conditions } from './conditions.js';

/** What a request needs. What takes time to find out is found out when it is asked for, and then once. */
export interface AccessRequest {
  readonly handler: object;
  readonly server: ResourceServer;
  readonly body: RpcBody;
  readonly conditions: Conditions;
  /** Whether it would be let through without a token. Found out in limited time, whatever the body. */
  readonly isOpen: boolean;
  /** The scopes that a challenge names. Found out in limited time, whatever the body. */
  readonly scopes: readonly string[];
}

/** Operations that are looked at before it is known who asks. Where there are more, the first are named in a challenge. */
export const MAX_OPERATIONS_OF_ANYBODY = 20;

/** What a {@link LazyAccessRequest} is found out by. */
interface Findings {
  isOpen(): boolean;
  conditions(operations: readonly Operation[]): Conditions;
}

/** Finds out no more than it is asked. */
export class LazyAccessRequest implements AccessRequest {
  #isOpen: boolean | undefined;
  #conditions: Conditions | undefined;

  constructor(
    readonly handler: object,
    readonly server: ResourceServer,
    readonly body: RpcBody,
    private readonly findings: Findings,
  ) {}

  get isOpen(): boolean {
    return (this.#isOpen ??= this.findings.isOpen());
  }

  get conditions(): Conditions {
    return (this.#conditions ??= this.#conditionsOf(this.body.operations));
  }

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
