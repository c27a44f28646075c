import { parseUrl } from './parse-url.js';

/** A protected resource (an MCP server) that clients may ask tokens for. */
export interface DevResource {
  /**
   * The resource identifier, as the resource's own metadata spells it (RFC 9728 §1.2): an absolute URI without fragment.
   * It becomes the `aud` of the tokens character by character, also where a client sent an equivalent spelling
   * (`http://127.0.0.1:3000/` for `http://127.0.0.1:3000`).
   */
  readonly resource: string;
  /**
   * What the consent page calls it.
   * @default the identifier
   */
  readonly name?: string;
  /** Scope name -> the sentence that explains it on the consent page. With none, users are asked to say who they are. */
  readonly scopes: Readonly<Record<string, string>>;
}

/** Someone who can sign in. Passwords are kept and shown in plain text: never use a real one. */
export interface DevUser {
  /** What is typed at sign-in, and the `sub` of the tokens. */
  readonly username: string;
  /** In plain text, and shown on the sign-in page. */
  readonly password: string;
  /** The name shown on the pages. */
  readonly name: string;
  /** The `email` claim of ID tokens. Access tokens have none. */
  readonly email?: string;
}

/** The resource server, as the client that may introspect. */
export interface DevIntrospectionClient {
  /** Any name. */
  readonly clientId: string;
  /** Sent in the `Authorization` header or in the body (`client_secret_basic`, `client_secret_post`). Never use a real one. */
  readonly clientSecret: string;
}

/** What {@link startDevAuthorizationServer} takes. */
export interface DevAuthorizationServerOptions {
  /**
   * Port on 127.0.0.1. A fixed one keeps the issuer the same between starts. Where it is taken, any free port is used
   * and `onNotice` says so.
   * @default 0, any free port
   */
  readonly port?: number;
  /**
   * What tokens may be asked for (RFC 8707). A request without `resource` gets the only one there is; where there are
   * several, or for any other resource, the answer is `invalid_target`.
   */
  readonly resources: readonly DevResource[];
  /**
   * Who can sign in. Each is a one-click choice on the sign-in page, beside user name and password.
   * @default two users, `alice` (password `alice`) and `bob` (password `bob`)
   */
  readonly users?: readonly DevUser[];
  /**
   * Lifetime of access tokens, in seconds. Short, so that clients show whether they refresh.
   * @default 300
   */
  readonly accessTokenTtlSeconds?: number;
  /**
   * Issues opaque access tokens instead of JWTs, and tells this client, and no other, what they stand for (RFC 7662): for
   * trying a resource that introspects. It is told about access tokens only; refresh tokens are none of its business.
   * @default none: access tokens are JWTs, and there is no introspection endpoint
   */
  readonly introspection?: DevIntrospectionClient;
  /**
   * Whether clients may have tokens bound to a key of theirs (DPoP, RFC 9449). Off, because a resource that does not verify
   * proofs refuses such tokens, and some clients bind whenever they can.
   * @default false
   */
  readonly dpop?: boolean;
  /**
   * Client ID metadata documents by their https URL: they are taken from here instead of being fetched, so that a client
   * which identifies itself this way can be tried without a public web server. All others are fetched; see
   * {@link startDevAuthorizationServer} for the rules.
   * @default {}
   */
  readonly clientMetadataDocuments?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * Called with what a developer should know: the port was taken, something failed inside the server. Never a token,
   * code or password.
   * @default console.warn
   */
  readonly onNotice?: (message: string) => void;
}

/** The options with every default applied. */
export type DevServerSettings = Readonly<Required<Omit<DevAuthorizationServerOptions, 'introspection'>>> & {
  readonly introspection: DevIntrospectionClient | undefined;
};

const READY_USERS: readonly DevUser[] = [
  { username: 'alice', password: 'alice', name: 'Alice', email: 'alice@example.com' },
  { username: 'bob', password: 'bob', name: 'Bob', email: 'bob@example.com' },
];

/** RFC 6749 §3.3: printable ASCII but space, `"` and `\`. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Applies the defaults and refuses what could not work, with every problem in one error. */
export function resolveSettings(options: DevAuthorizationServerOptions): DevServerSettings {
  const settings: DevServerSettings = {
    port: options.port ?? 0,
    resources: options.resources,
    users: options.users ?? READY_USERS,
    accessTokenTtlSeconds: options.accessTokenTtlSeconds ?? 300,
    introspection: options.introspection,
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

function findProblems({ port, resources, users, accessTokenTtlSeconds, introspection }: DevServerSettings): string[] {
  const problems: string[] = [];
  if (!Number.isInteger(port) || port < 0 || port > 65535) problems.push(`port: ${port} is no port; write 0 for any`);
  if (!Number.isSafeInteger(accessTokenTtlSeconds) || accessTokenTtlSeconds < 1) {
    problems.push(`accessTokenTtlSeconds: ${accessTokenTtlSeconds} is no positive whole number of seconds`);
  }
  if (introspection && (!introspection.clientId || !introspection.clientSecret)) {
    problems.push('introspection: clientId and clientSecret are both needed, and neither may be empty');
  }
  if (!resources?.length) {
    problems.push(
      `resources: there is none; write e.g. [{ resource: 'http://127.0.0.1:3000/mcp', scopes: { 'notes:read': 'Read notes' } }]`,
    );
  }
  for (const resource of resources ?? []) problems.push(...resourceProblems(resource));
  for (const repeated of repetitions((resources ?? []).map(({ resource }) => resource))) {
    problems.push(`resources: "${repeated}" is there twice`);
  }
  if (users.length === 0) problems.push('users: there is none, so nobody could sign in');
  for (const { username } of users) if (!username) problems.push('users: a user has no username');
  for (const repeated of repetitions(users.map(({ username }) => username))) {
    problems.push(`users: "${repeated}" is there twice`);
  }
  return problems;
}

function resourceProblems({ resource, scopes }: DevResource): string[] {
  const problems: string[] = [];
  if (!parseUrl(resource)) problems.push(`resources: "${resource}" is no absolute URI`);
  else if (resource.includes('#')) problems.push(`resources: "${resource}" has a fragment (RFC 8707 §2 forbids it)`);
  for (const scope of Object.keys(scopes)) {
    if (!SCOPE_TOKEN.test(scope))
      problems.push(`resources: "${scope}" of "${resource}" is no scope name (RFC 6749 §3.3)`);
  }
  return problems;
}

function repetitions(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
