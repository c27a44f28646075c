import { printable } from './safe-text.js';

/** What one route, MCP operation or other handler needs. Frozen, and the same after a round trip through JSON. */
export interface AccessMapRow {
  /**
   * - `route`: a method of a controller at one of its paths;
   * - `tool`, `resource`, `resource-template`, `prompt`: an MCP operation with a handler, or in the option `scopes.operations`;
   * - `operation`: every MCP operation of the resource that has no row, such as those of a server of the official SDK to which
   *   the application adds them itself. With `scopes.annotations`, a row of the kind `tool` says what such a tool needs;
   * - `handler`: a GraphQL resolver, or a handler of WebSocket or broker messages.
   */
  readonly kind: 'route' | 'tool' | 'resource' | 'resource-template' | 'prompt' | 'operation' | 'handler';
  /** `GET /notes/:id`, the name of a tool or prompt, a URI or URI template, or `Class.method`. */
  readonly name: string;
  /** The `id` of the resource whose tokens are accepted; null if none are looked at. */
  readonly resource: string | null;
  /**
   * - `public`: declared `@Public()`, tokens are not looked at;
   * - `anonymous`: works without a token, as the option `allowAnonymous` says; a token that is sent is verified;
   * - `token`: any valid token;
   * - `scopes`: a valid token with the scopes;
   * - `unguarded`: no guard of this library runs. Under `globalGuard: 'mcp'`, MCP messages to such a route are refused.
   */
  readonly access: 'public' | 'anonymous' | 'token' | 'scopes' | 'unguarded';
  /** All that decorators and options require together. */
  readonly scopes: {
    /** Every one is needed. */
    readonly allOf: readonly string[];
    /** One of each group is needed. */
    readonly anyOf: readonly (readonly string[])[];
  };
  /** How, and how recently, the user must have signed in. */
  readonly authentications: readonly {
    /** In order of preference; empty: any. */
    readonly acr: readonly string[];
    /** In whole seconds; null: any. */
    readonly maxAgeSeconds: number | null;
  }[];
  /** Whether the caller must prove to hold the key to which the token is bound. */
  readonly needsProof: boolean;
  /** The names of the policies that decide, too; `anonymous function` for one without a name. */
  readonly policies: readonly string[];
  /** `Class.method`, `Class`, `options …`, or `guard Name` for a guard of the application that calls `McpAuthGuard`. */
  readonly declaredAt: readonly string[];
}

const HEADINGS = ['KIND', 'NAME', 'RESOURCE', 'ACCESS', 'NEEDS', 'DECLARED AT'];

/** The kinds in the order of the map. */
const KINDS: readonly AccessMapRow['kind'][] = [
  'route',
  'tool',
  'resource',
  'resource-template',
  'prompt',
  'operation',
  'handler',
];

/** The rows by kind, name and resource. Does not depend on the language of the machine. */
export function sortAccessMap(map: readonly AccessMapRow[]): AccessMapRow[] {
  return map.toSorted(
    (one, other) =>
      KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) ||
      compared(one.name, other.name) ||
      compared(one.resource ?? '', other.resource ?? ''),
  );
}

/**
 * A table of what `McpAuthService.accessMap()` returns, for a log line or a snapshot: one line for each row, sorted, without
 * times. The same map gives the same text.
 */
export function formatAccessMap(map: readonly AccessMapRow[]): string {
  const cells = sortAccessMap(map).map((row) => [
    row.kind,
    row.name,
    row.resource ?? '-',
    row.access,
    needsOf(row),
    row.declaredAt.join(', ') || '-',
  ]);
  const lines = [HEADINGS, ...cells].map((line) => line.map(printable));
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function needsOf({ scopes, authentications, needsProof, policies }: AccessMapRow): string {
  const needs = [
    ...scopes.allOf,
    ...scopes.anyOf.map((group) => `(${group.join(' or ')})`),
    ...authentications.flatMap(({ acr, maxAgeSeconds }) => [
      ...(acr.length > 0 ? [`acr ${acr.join(' or ')}`] : []),
      ...(maxAgeSeconds === null ? [] : [`signed in within ${maxAgeSeconds} s`]),
    ]),
    ...(needsProof ? ['proof of a key'] : []),
    ...policies.map((name) => `policy ${name}`),
  ];
  return needs.join(', ') || '-';
}

function compared(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
