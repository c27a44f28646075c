import { isRecord } from '../core/record.js';

/** Names of security schemes, each with the scopes that it must grant (OpenAPI 3, "Security Requirement Object"). */
export type SecurityRequirement = Readonly<Record<string, readonly string[]>>;

/** An operation of an OpenAPI document. */
export interface OpenApiOperation {
  /** Alternatives: one of them must hold. If undefined, those of the document apply. */
  security?: SecurityRequirement[] | undefined;
}

/** The members of an OpenAPI document that concern security. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly webhooks?: OpenApiDocument['paths'];
  /** Where `@nestjs/swagger` lists webhooks by path, for documents older than OpenAPI 3.1. */
  readonly webhookPaths?: OpenApiDocument['paths'];
  readonly security?: readonly SecurityRequirement[];
  components?: { securitySchemes?: Record<string, unknown> };
}

export function isDocument(value: unknown): value is OpenApiDocument {
  return isRecord(value) && isRecord(value['paths']);
}

/** The operations at these paths. */
export function operationsAt(
  paths: OpenApiDocument['paths'] = {},
): { readonly path: string; readonly operation: OpenApiOperation }[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.values(item).flatMap((operation) => (isRecord(operation) ? [{ path, operation }] : [])),
  );
}

/** What must hold if both do: each alternative of one together with each of the other. */
export function both(
  some: readonly SecurityRequirement[],
  others: readonly SecurityRequirement[],
): SecurityRequirement[] {
  return some.flatMap((one) => others.map((other) => together(one, other)));
}

function together(one: SecurityRequirement, other: SecurityRequirement): SecurityRequirement {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(names.map((name) => [name, [...new Set([...(one[name] ?? []), ...(other[name] ?? [])])]]));
}
