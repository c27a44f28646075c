import { readAllowedHosts, readAllowedOrigins } from './allowed-source-options.js';
import { readAnonymousAccess, type AnonymousAccessOptions } from './anonymous-access.js';
import { readCache, type CacheOptions } from './cache-options.js';
import { readConsent, type ConsentOptions } from './consent-options.js';
import { readDownstream, type DownstreamOptions } from './downstream-options.js';
import { readCredentialOptions, type CredentialOptions } from './credential-options.js';
import { readEventArguments, type RedactArguments } from './event-arguments-option.js';
import { readFrameworks, type McpFramework } from './framework-options.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import { readPolicy, type PolicyOption } from './policy-option.js';
import { readRevocation, type RevocationOptions } from './revocation-options.js';
import { readSessions, type SessionOptions } from './session-options.js';
import { readStdio } from './stdio-option.js';
import type { VerifierOption } from './verifier-option.js';

/**
 * How a refused tool call is answered: with an HTTP status and a challenge, which most clients understand, or with a tool
 * result that has the challenge in `_meta["mcp/www_authenticate"]`, which ChatGPT understands.
 */
export type ChallengeForm = 'http' | 'tool-result';

/** Options that apply to all resources of the module. */
export interface CommonOptions {
  /**
   * Fetches the metadata and keys of each authorization server in the background once the application has started, and logs a
   * warning for everything that will keep clients from signing in. The first request then finds them in the cache. This
   * neither delays nor stops the start. Fetches only what the verification of tokens needs. Skips the servers that
   * `trustedIssuer` finds, and an issuer with the same origin as a resource: it may be this application, which does not
   * listen yet.
   *
   * `false` opens no connection before the first token arrives.
   * @default true
   */
  checkAuthorizationServers?: boolean;
  /**
   * Makes the requests to authorization servers instead of the global `fetch`, for example through a proxy, with a client
   * certificate, or in a test. Sees the credentials of `introspection`. It is called with `redirect: 'manual'`; a response
   * from another URL, a late response and an oversized response are refused, whatever this function does.
   * @default the global fetch
   */
  fetch?: typeof fetch;
  /**
   * Verifies tokens for all resources without a `verifier` of their own; see `ProtectedResourceOptions.verifier`.
   * @default the built-in verification
   */
  verifier?: VerifierOption;
  /**
   * Credentials that the application issues and verifies itself, such as API keys and personal access tokens. They are accepted
   * beside the access tokens, at every resource, and one credential a request. The challenge stays that of OAuth.
   * @default none
   */
  credentials?: CredentialOptions[];
  /**
   * The APIs that tools call, by name, and how this server obtains a token for each: `McpAuthDownstream` then gives the token for
   * the current caller. The access token of the caller is for this server alone, and is never sent to an API.
   * @default none
   */
  downstream?: Record<string, DownstreamOptions>;
  /**
   * Caches verified JWTs by their SHA-256. `false` verifies the signature again for every request, but only once for
   * concurrent requests with the same token. Results of `verifier` are cached only if you set this option, since only you
   * know what they depend on. Introspection has its own cache times.
   * @default { maxEntries: 10000, ttlSeconds: 300 }
   */
  cache?: CacheOptions | false;
  /** Allowed difference between the clocks of issuer and server, in seconds, 0 to 300. @default 5 */
  clockToleranceSeconds?: number;
  /** Tokens that expire later than this many seconds from now are refused. @default 86400 */
  maxTokenLifetimeSeconds?: number;
  /**
   * Lets `McpAuthRevocations` refuse the tokens of a user, of a session or of a client before they expire, and end their streams
   * and MCP sessions.
   * @default none: a token works until it expires
   */
  revocation?: RevocationOptions;
  /**
   * Lets `McpAuthConsents` ask users for their consent at third parties that your authorization server cannot exchange tokens for:
   * the MCP client sends the user to a page of the application (URL mode elicitation).
   * @default none
   */
  consent?: ConsentOptions;
  /**
   * Makes the caller available below handlers, as `McpAuthService.authInfo` and for `McpAuthDownstream`. Uses
   * `AsyncLocalStorage`, which costs a small route a tenth of its throughput up to Node.js 22; `@AuthInfo()` does not need it. Set
   * `true` if you get one of the two without injection, for example with `app.get()`; set `false` if you inject it only for its other members.
   * @default whether a provider or controller of the application injects `McpAuthService` or `McpAuthDownstream`
   */
  followCaller?: boolean;
  /**
   * Adds arguments of tools and prompts to the events about admitted requests, as `messages[].arguments`: those that the list
   * names, with all that is in them; or what the function returns for a copy of them. They are checked and bounded: as JSON, at
   * most 4,096 characters, without anything that looks like a token. Refused requests never tell arguments, nor do the log and
   * metrics. The function runs before the tool, for each admitted call while there are listeners; if it throws, the event says
   * `argumentsOmitted`, and the call continues.
   * @default none: events have no arguments
   */
  eventArguments?: string[] | RedactArguments;
  /**
   * One policy for the whole server, beside those of `@Authorize()`: a function, or the class of a provider that extends
   * `AccessPolicy`. It is asked about every request of a verified caller to a protected route, and about every protected
   * GraphQL resolver and WebSocket handler; for MCP about each tool, resource and prompt that a request uses, before dispatch
   * and again at its handler, and about each message that uses none (`initialize`, `tools/list`).
   *
   * Not asked: on `@Public()` routes, and about callers without a token (`allowAnonymous`). A request for a resource whose
   * template variables cannot be determined is refused.
   * @default none: what decorators and `scopes` say
   */
  authorize?: PolicyOption;
  /**
   * Lets callers without a token open a connection, list, and use the operations that are declared `@Public()`; or only what
   * an object names, such as `{ list: true }` for directories that read lists without a session. Everything else answers them
   * with 401 and a challenge. Applies only at the path of the resource identifier.
   * @default false
   */
  allowAnonymous?: boolean | AnonymousAccessOptions;
  /**
   * How refused tool calls are answered, or a function that chooses it for each request, as the platform passes it.
   * @default 'http'
   */
  challenge?: ChallengeForm | ((request: unknown) => ChallengeForm);
  /**
   * Further origins that may send requests to the MCP endpoint: of pages, such as `https://app.example.com`, and of web views,
   * such as `tauri://localhost` or `chrome-extension://…`. Write scheme, host and port in lower case and without a path, as
   * in RFC 6454 §6.2. A scheme alone, such as `vscode-webview:`, accepts every host of that scheme; `http:` and `https:` alone
   * are refused. This does not set up CORS: a page also needs `app.enableCors()`.
   * @default none: the origin of the resource, and that of any page of this machine if the resource is on loopback
   */
  allowedOrigins?: string[];
  /**
   * The hosts that requests to the MCP endpoint may name, besides that of the resource: what a reverse proxy writes into `Host`
   * if it does not pass on the host of the client. Write them as in a `Host` field, in lower case: `backend.example.net`, on any
   * port, or `backend.example.net:8080`. `[]` accepts the host of the resource alone. A resource on loopback accepts all of
   * loopback as well. `X-Forwarded-Host` is never read.
   * @default none: the host of the resource, and names that no page of the Internet can have: addresses, names of one label,
   * and names under `internal`, `local`, `localhost`, `home.arpa`, `test` and `svc`
   */
  allowedHosts?: string[];
  /**
   * Handling of MCP operations with requirements over stdio, where requests carry no token: refuse them (`'deny'`), trust the
   * user who started the process (`'trust'`), or verify the access token in an environment variable (`tokenEnv`).
   * @default 'deny'
   */
  stdio?:
    | 'deny'
    | 'trust'
    | {
        /** Name of the environment variable. It is read at each call, so a renewed token takes effect. */
        tokenEnv: string;
      };
  /**
   * Which side binds MCP tasks to their caller. `'bound'`: this module remembers in memory for which caller each task was
   * created, and answers all others as if the task did not exist. After a restart, and on another replica, every caller gets
   * that answer. `'bound-by-application'`: this module lets all `tasks/*` requests through to the MCP framework, and the
   * task store of the framework must bind each task to the `principalKey` of the caller; logged as a warning at every start.
   * @default 'bound'
   * @see MCP 2025-11-25, Tasks, "Task Isolation and Access Control"
   */
  tasks?: 'bound' | 'bound-by-application';
  /**
   * Lets replicas share the owners of MCP sessions: `{ store }`.
   * @default none: the memory of this process
   */
  sessions?: SessionOptions;
  /**
   * Further MCP frameworks for Nest, whose decorators and calls this library does not know by itself. Their handlers can then
   * be decorated: requests are checked before dispatch, and the method itself is protected. Serve the MCP endpoint with a
   * controller, as with every framework.
   * @default none
   */
  frameworks?: McpFramework[];
  /**
   * Starts even if an MCP endpoint is served outside Nest, where no guard runs before it. Any caller can then use tools
   * without requirements of their own; decorated tools are refused at the handler. At the start, this module then does not
   * test what answers at the path of each resource. Logged as a warning at every start.
   * @default false
   */
  allowUnguardedMounts?: boolean;
  /**
   * What happens if other code than `McpAuthGuard` answers at a resource once the application listens. Before, the application
   * does not start. `'log'`: an error in the log. `'close'`: a fatal line in the log, and the HTTP server closes with all its
   * connections, so the application serves nothing; it does not end the process, nor does it call `app.close()`. Requests that
   * come within the milliseconds of the check are served. An application that does not call `app.listen()`, as on serverless
   * platforms, is checked before only.
   * @default 'log'
   */
  startCheck?: 'log' | 'close';
  /**
   * Whether the metadata of a single resource is also served at the root of the origin, without the path of the resource
   * (`/.well-known/oauth-protected-resource`). MCP clients look there last. Set `false` if the origin serves more than this
   * resource, since a client could apply the document to the whole origin. Has no effect with several resources, which are
   * never served there, or for a resource without a path, which is always served there.
   * @default true
   */
  rootMetadata?: boolean;
  /**
   * Accepts plain http for resources and issuers that are not on loopback, and for the URLs of keys and introspection, in the
   * options and in metadata. Tokens can then be read on the network. Set it only in a private network without
   * eavesdroppers, such as that of Docker Compose. Logged as a warning at every start.
   * @default false
   */
  allowInsecureHttp?: boolean;
  /**
   * Tells clients why a token was refused. Helps an attacker as much as a developer; logged as a warning at start.
   * @default false
   */
  exposeErrorDetails?: boolean;
}

/** All except `verifier`, which is read with the options of a resource, since it may be set there too. */
export const COMMON_OPTIONS = {
  checkAuthorizationServers: (option) => option.flag(true),
  fetch: (option) => option.function<typeof fetch>('Write a function like the global fetch'),
  credentials: readCredentialOptions,
  downstream: readDownstream,
  cache: readCache,
  clockToleranceSeconds: (option) => option.seconds(5, 0, 300),
  maxTokenLifetimeSeconds: (option) => option.seconds(86_400, 1, 31_536_000),
  revocation: readRevocation,
  consent: readConsent,
  followCaller: optional((option) => option.flag(false)),
  eventArguments: readEventArguments,
  authorize: readPolicy,
  allowAnonymous: readAnonymousAccess,
  challenge: readChallenge,
  allowedOrigins: readAllowedOrigins,
  allowedHosts: optional(readAllowedHosts),
  stdio: readStdio,
  tasks: readTasks,
  sessions: readSessions,
  frameworks: readFrameworks,
  allowUnguardedMounts: (option) => option.flag(false),
  startCheck: (option) => option.choice(['log', 'close']),
  rootMetadata: (option) => option.flag(true),
  allowInsecureHttp: (option) => option.flag(false),
  exposeErrorDetails: (option) => option.riskyFlag('clients are told why tokens are refused'),
} satisfies ReadersOf<Omit<CommonOptions, 'verifier'>>;

function readChallenge(option: OptionReader): (request: unknown) => ChallengeForm {
  const { value } = option;
  if (typeof value === 'function') return value as (request: unknown) => ChallengeForm;
  if (value === undefined || value === 'http') return () => 'http';
  if (value === 'tool-result') return () => 'tool-result';
  option.refuse({ why: 'is not a known value', write: 'Write "http", "tool-result" or a function that returns one' });
  return () => 'http';
}

function readTasks(option: OptionReader): 'bound' | 'bound-by-application' {
  const tasks = option.choice(['bound', 'bound-by-application']);
  if (tasks !== 'bound') option.warn(`is "${tasks}": the task store alone decides which callers may use a task`);
  return tasks;
}
