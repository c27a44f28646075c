import { Injectable } from '@nestjs/common';
import type { AuthenticationRequirement } from '../core/authentication.js';
import { isEmptyRequirement, type Requirement } from '../core/requirement.js';
import type { HandlerDeclaration } from '../handlers/handler-declaration.js';
import { HandlerExplorer } from '../handlers/handler-explorer.js';
import { OperationDeclarations } from '../handlers/operation-declarations.js';
import type { PolicyOption } from '../options/policy-option.js';
import { HANDLER_METHODS, type Operation, type OperationKind } from '../request/rpc-body.js';
import { ResourceServers, type ResourceServer } from '../resource-servers/resource-servers.js';
import { conditionsOf, withoutScopes, type AccessConditions } from './access-conditions.js';
import { AccessRequirements } from './access-requirements.js';

/** What requests to a route, or uses of an operation, have in common. */
export interface DeclaredNeeds {
  readonly resourceId: string;
  /** Whether a request without a token may be allowed. */
  readonly isOpen: boolean;
  readonly requirement: Requirement;
  readonly authentications: readonly AuthenticationRequirement[];
  /** Whether the caller must prove to hold the key to which the token is bound. */
  readonly needsProof: boolean;
  readonly policies: readonly PolicyOption[];
  /** Whether the options name a policy for all MCP messages. */
  readonly hasModulePolicy: boolean;
  /** Whether the options name scopes that every request to the resource needs. */
  readonly hasBaseline: boolean;
  /** The declarations of the operation; empty for a route. */
  readonly ofOperation: readonly HandlerDeclaration[];
  /** Whether the annotations of a tool add scopes. */
  readonly hasAnnotationScopes: boolean;
}

/** An operation by what a client sends. */
export interface NamedOperation {
  readonly kind: OperationKind;
  readonly name: string;
}

/** Determines what is needed before there is a request, by the rules that decide about requests. */
@Injectable()
export class DeclaredAccess {
  constructor(
    private readonly servers: ResourceServers,
    private readonly requirements: AccessRequirements,
    private readonly explorer: HandlerExplorer,
    private readonly operations: OperationDeclarations,
  ) {}

  /** What each request to a route needs, whatever operation it uses. */
  ofRoute(route: HandlerDeclaration, isEndpoint: boolean): DeclaredNeeds {
    const server = this.servers.get(route.resourceId);
    const isOpen = isEndpoint && this.requirements.isOpenTo(route, server, []);
    return needs(server, this.requirements.ofOperations(route, server, [], []), isOpen, [route]);
  }

  /** What every request to this route needs; undefined for a public route. */
  conditionsOfRoute(classRef: object, method: object): AccessConditions | undefined {
    const route = this.requirements.routeOf(classRef, method);
    return route && conditionsOf(this.servers.get(route.resourceId), [route], []);
  }

  /** What a call of an operation needs that is sent to this route. */
  ofOperation(route: HandlerDeclaration, resourceId: string, named: NamedOperation): DeclaredNeeds {
    const server = this.servers.get(resourceId);
    const operation: Operation = {
      ...named,
      method: HANDLER_METHODS[named.kind],
      args: undefined,
      reachesHandler: true,
    };
    const conditions = this.requirements.ofOperations(route, server, [operation], []);
    const isOpen = this.requirements.isOpenTo(route, server, [operation]);
    const { all, ofAnnotations } = this.operations.of(operation, resourceId);
    const handlers = all.map(({ declaration }) => declaration);
    const declared = needs(server, conditions, isOpen, [...handlers, route], this.requirements.policiesOfModule);
    return { ...declared, ofOperation: handlers, hasAnnotationScopes: ofAnnotations.length > 0 };
  }

  /** What an operation needs of which nothing is known. */
  ofUnknownOperation(route: HandlerDeclaration, resourceId: string): DeclaredNeeds {
    const server = this.servers.get(resourceId);
    return needs(
      server,
      this.requirements.ofOperations(route, server, [], []),
      false,
      [route],
      this.requirements.policiesOfModule,
    );
  }

  /** What a handler needs that is neither an HTTP route nor an MCP operation. */
  ofHandler(classRef: object, method: object): DeclaredNeeds {
    const declaration = this.explorer.declarationOf(classRef, method);
    const server = this.servers.get(declaration.resourceId);
    const conditions = conditionsOf(server, [declaration], []);
    return needs(server, conditions, false, [declaration], this.requirements.policiesOfModule);
  }
}

function needs(
  server: ResourceServer,
  conditions: AccessConditions,
  isOpen: boolean,
  declarations: readonly HandlerDeclaration[],
  ofModule: readonly PolicyOption[] = [],
): DeclaredNeeds {
  const { requirement, authentications, needsProof } = isOpen ? withoutScopes(conditions) : conditions;
  return {
    resourceId: server.resource.id,
    isOpen,
    requirement,
    authentications,
    needsProof,
    policies: [...ofModule, ...declarations.flatMap(({ policies }) => policies)],
    hasModulePolicy: ofModule.length > 0,
    hasBaseline: !isOpen && !isEmptyRequirement(server.baseline),
    ofOperation: [],
    hasAnnotationScopes: false,
  };
}
