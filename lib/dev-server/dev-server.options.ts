import { clientProblems, type DevApi, type DevClient } from './dev-client.options.js';
import { identifierProblems, repetitions } from './identifiers.js';

/** A protected resource (an MCP server) for which clients may request tokens. */
export interface DevResource {
  /**
   * The resource identifier, as the resource's own metadata spells it (RFC 9728 §1.2): an absolute URI without fragment.
   * The `aud` of the tokens is exactly this text, even if a client sends an equivalent spelling
   * (`http://127.0.0.1:3000/` for `http://127.0.0.1:3000`).
   */
  readonly resource: string;
  /**
   * Name of the resource on the consent page.
   * @default the identifier
   */
  readonly name?: string;
  /** Maps each scope to the sentence that explains it on the consent page. Without any, it asks only for the identity. */
  readonly scopes: Readonly<Record<string, string>>;
}

/** A user who can sign in. Passwords are stored and shown in plain text: never use a real one. */
export interface DevUser {
  /** User name at sign-in, and the `sub` of the tokens. */
  readonly username: string;
  /** Password in plain text. The sign-in page shows it. */
  readonly password: string;
  /** Name on the pages. */
  readonly name: string;
  /** The `email` claim of ID tokens. Access tokens have none. */
  readonly email?: string;
}

/** The resource server as the client that may introspect tokens. */
export interface DevIntrospectionClient {
  /** Any name. */
  readonly clientId: string;
  /** Sent in the `Authorization` header or in the body (`client_secret_basic`, `client_secret_post`). Never use a real one. */
  readonly clientSecret: string;
}

/** Options of {@link startDevAuthorizationServer}. */
export interface DevAuthorizationServerOptions {
  /**
   * Port on 127.0.0.1. With a fixed port, the issuer stays the same between starts. If the port is taken, the server uses
   * any free port and calls `onNotice`.
   * @default 0, any free port
   */
  readonly port?: number;
  /**
   * Resources for which clients may request tokens (RFC 8707). A request without `resource` gets a token for the only
   * resource. If there are several, or for an unknown resource, the answer is `invalid_target`.
   */
  readonly resources: readonly DevResource[];
  /**
   * Users who can sign in. The sign-in page offers each with one click, beside the form for user name and password.
   * @default two users, `alice` (password `alice`) and `bob` (password `bob`)
   */
  readonly users?: readonly DevUser[];
  /**
   * Lifetime of access tokens, in seconds. The default is short, to show whether clients refresh their tokens.
   * @default 300
   */
  readonly accessTokenTtlSeconds?: number;
  /**
   * Issues opaque access tokens instead of JWTs, to try a resource that introspects. Only this client may introspect
   * (RFC 7662), and only access tokens, not refresh tokens.
   * @default none: access tokens are JWTs, and there is no introspection endpoint
   */
  readonly introspection?: DevIntrospectionClient;
  /**
   * The MCP servers that exchange the tokens of their callers for tokens of the {@link apis} (RFC 8693), and get tokens for themselves
   * by client credentials (RFC 6749 §4.4).
   * @default none: the server has neither grant
   */
  readonly clients?: readonly DevClient[];
  /**
   * The APIs for which `clients` get tokens. MCP clients do not.
   * @default none
   */
  readonly apis?: readonly DevApi[];
  /**
   * Whether clients may bind tokens to a key (DPoP, RFC 9449). Off, because a resource that does not verify proofs refuses
   * such tokens, and some clients bind tokens whenever the server supports it.
   * @default false
   */
  readonly dpop?: boolean;
  /**
   * Client ID metadata documents by their https URL. The server uses these instead of fetching them, to try such a client
   * without a public web server. It fetches all other documents; see {@link startDevAuthorizationServer} for the rules.
   * @default {}
   */
  readonly clientMetadataDocuments?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * Called with notices for the developer: the port is taken, or the server failed. A notice never contains a token, code
   * or password.
   * @default console.warn
   */
  readonly onNotice?: (message: string) => void;
}

/** The options with all defaults applied. */
export type DevServerSettings = Readonly<Required<Omit<DevAuthorizationServerOptions, 'introspection'>>> & {
  readonly introspection: DevIntrospectionClient | undefined;
};

const READY_USERS: readonly DevUser[] = [
  { username: 'alice', password: 'alice', name: 'Alice', email: 'alice@example.com' },
  { username: 'bob', password: 'bob', name: 'Bob', email: 'bob@example.com' },
];

/** Applies the defaults. Throws one error with all problems of the options. */
export function resolveSettings(options: DevAuthorizationServerOptions): DevServerSettings {
  const settings: DevServerSettings = {
    port: options.port ?? 0,
    resources: options.resources,
    users: options.users ?? READY_USERS,
    accessTokenTtlSeconds: options.accessTokenTtlSeconds ?? 300,
    introspection: options.introspection,
    clients: options.clients ?? [],
    apis: options.apis ?? [],
    dpop: options.dpop ?? false,
    clientMetadataDocuments: options.clientMetadataDocuments ?? {},
    onNotice: options.onNotice ?? ((message) => console.warn(`[dev authorization server] ${message}`)),
  };
  const problems = findProblems(settings);
  if (problems.length > 0) {
    throw new Error(`The development authorization server cannot start:\n- ${problems.join('\n- ')}`);
  }
  return settings;
}

function findProblems(settings: DevServerSettings): string[] {
  const { port, resources, users, accessTokenTtlSeconds, introspection } = settings;
  const problems: string[] = [];
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    problems.push(`port: ${port} must be a port number, or 0 for any free port`);
  if (!Number.isSafeInteger(accessTokenTtlSeconds) || accessTokenTtlSeconds < 1) {
    problems.push(`accessTokenTtlSeconds: ${accessTokenTtlSeconds} must be a positive whole number of seconds`);
  }
  if (introspection && (!introspection.clientId || !introspection.clientSecret)) {
    problems.push('introspection: clientId and clientSecret must be non-empty');
  }
  if (!resources?.length) {
    problems.push(
      `resources: must not be empty; write e.g. [{ resource: 'http://127.0.0.1:3000/mcp', scopes: { 'notes:read': 'Read notes' } }]`,
    );
  }
  for (const { resource, scopes } of resources ?? []) {
    problems.push(...identifierProblems('resources', resource, Object.keys(scopes)));
  }
  for (const repeated of repetitions((resources ?? []).map(({ resource }) => resource))) {
    problems.push(`resources: "${repeated}" occurs twice`);
  }
  if (users.length === 0) problems.push('users: must not be empty, or no user can sign in');
  for (const { username } of users) if (!username) problems.push('users: a user has no username');
  for (const repeated of repetitions(users.map(({ username }) => username))) {
    problems.push(`users: "${repeated}" occurs twice`);
  }
  return [...problems, ...clientProblems(settings)];
}
