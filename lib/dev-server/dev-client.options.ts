import { identifierProblems, repetitions } from './identifiers.js';

/**
 * An API that an MCP server calls. MCP clients cannot request tokens for it; a {@link DevClient} gets them, by token exchange or for
 * itself. Its tokens are JWTs (RFC 9068), even if those for the MCP servers are opaque.
 */
export interface DevApi {
  /**
   * What the API calls itself: an absolute URI without fragment. It is the `aud` of the tokens, exactly this text. Requests name it as
   * `resource` or `audience`.
   */
  readonly resource: string;
  /**
   * Maps each scope of the API to the scopes of the MCP server that the token of a caller must have for it, such as
   * `{ 'calendar.read': ['calendar'] }`. The user allows those on the consent page. An empty list: every caller may have it. They do
   * not restrict a client that acts for itself.
   */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** An MCP server as the client that obtains tokens for {@link DevApi APIs}. No user can sign in with it. */
export interface DevClient {
  /** Any name. */
  readonly clientId: string;
  /** Sent in the `Authorization` header or in the body (`client_secret_basic`, `client_secret_post`). Never use a real one. */
  readonly clientSecret: string;
  /** Which of the `resources` this MCP server is. The client may exchange only tokens for this one. */
  readonly resource: string;
}

/** The part of the settings that concerns these clients. */
export interface ClientSettings {
  readonly resources: readonly { readonly resource: string; readonly scopes: Readonly<Record<string, string>> }[];
  readonly clients: readonly DevClient[];
  readonly apis: readonly DevApi[];
  readonly introspection: { readonly clientId: string; readonly clientSecret: string } | undefined;
}

/** What is wrong with the clients and the APIs. */
export function clientProblems(settings: ClientSettings): string[] {
  const { clients, apis, resources = [] } = settings;
  const problems = clients.flatMap((client) => problemsOf(client, settings));
  for (const repeated of repetitions(clients.map(({ clientId }) => clientId))) {
    problems.push(`clients: "${repeated}" occurs twice`);
  }
  if (clients.length > 0 && apis.length === 0) problems.push('apis: must not be empty if there are clients');
  if (apis.length > 0 && clients.length === 0) {
    problems.push(
      `clients: must not be empty if there are apis; write e.g. [{ clientId: 'notes-server', clientSecret: 'secret', resource: '${resources[0]?.resource}' }]`,
    );
  }
  for (const api of apis) problems.push(...identifierProblems('apis', api.resource, Object.keys(api.scopes)));
  for (const repeated of repetitions([...apis, ...resources].map(({ resource }) => resource))) {
    if (apis.some(({ resource }) => resource === repeated)) {
      problems.push(`apis: "${repeated}" occurs twice, here or in resources`);
    }
  }
  const known = new Set(resources.flatMap(({ scopes }) => Object.keys(scopes)));
  for (const [scope, needed] of apis.flatMap(({ scopes }) => Object.entries(scopes))) {
    for (const name of needed) {
      if (!known.has(name)) problems.push(`apis: "${scope}" needs "${name}", which no resource has among its scopes`);
    }
  }
  return problems;
}

function problemsOf(
  { clientId, clientSecret, resource }: DevClient,
  { resources = [], introspection }: ClientSettings,
): string[] {
  const problems: string[] = [];
  if (!clientId || !clientSecret) problems.push('clients: clientId and clientSecret must be non-empty');
  if (!resources.some((known) => known.resource === resource)) {
    problems.push(`clients: "${resource}" of "${clientId}" must be one of the resources, spelled exactly like that`);
  }
  if (clientId === introspection?.clientId && clientSecret !== introspection.clientSecret) {
    problems.push(`clients: "${clientId}" must have the same clientSecret here and in introspection`);
  }
  return problems;
}
