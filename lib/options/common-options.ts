import { readAllowedOrigin } from '../request/origin.js';
import { isRecord } from '../core/record.js';
import { showValue } from '../core/safe-text.js';
import { readCache, type CacheOptions } from './cache-options.js';
import { optional, type OptionReader, type ReadersOf } from './option-reader.js';
import type { VerifierOption } from './verifier-option.js';

/**
 * How a refusal of a tool call reaches the client: as an HTTP status with a challenge, on which most clients act, or
 * as a tool result with the challenge in `_meta["mcp/www_authenticate"]`, on which ChatGPT acts.
 */
export type ChallengeForm = 'http' | 'tool-result';

/** Settings that hold for all resources of the module. */
export interface CommonOptions {
  /**
   * Asks each authorization server for its metadata and keys once the application has started, in the background, so that
   * the first request finds them there, and logs a warning for all that will keep clients from signing in. Neither delays
   * nor stops the start. Asks for nothing that tokens will not need, nor for those that `trustedIssuer` finds, nor for an
   * issuer of the same origin as a resource: it may be this application, which does not listen yet.
   *
   * `false` opens no connection before the first token comes.
   * @default true
   */
  checkAuthorizationServers?: boolean;
  /**
   * Makes the requests to authorization servers in place of the global `fetch`: through a proxy, with a client certificate,
   * in a test. Sees the credentials of `introspection`. It is told to follow no redirects; an answer from another URL than
   * was asked, a late one and a long one are refused whatever it does.
   * @default the global fetch
   */
  fetch?: typeof fetch;
  /**
   * For all resources that have no `verifier` of their own; see there.
   * @default the built-in verification
   */
  verifier?: VerifierOption;
  /**
   * Remembers verified JWTs, by their SHA-256. `false` verifies the signature again for every request, but once for requests
   * that present the same token at the same time. If you give this option, it also holds for results of `verifier`, which are
   * not remembered otherwise: only you know what they depend on. Introspection has times of its own.
   * @default { maxEntries: 10000, ttlSeconds: 300 }
   */
  cache?: CacheOptions | false;
  /** Allowed difference between the clocks of issuer and server, in seconds, 0 to 300. @default 5 */
  clockToleranceSeconds?: number;
  /** Tokens that expire later than this many seconds from now are refused. @default 86400 */
  maxTokenLifetimeSeconds?: number;
  /**
   * Whether the caller is known below handlers, to `McpAuthService.authInfo`; by `AsyncLocalStorage`, which has a price up to
   * Node.js 22: a tenth of the throughput of a small route. `@AuthInfo()` does without. `true` where the service is obtained
   * otherwise than by injection, as by `app.get()`; `false` where it is injected for its other members.
   * @default whether a provider or controller of the application injects `McpAuthService`
   */
  followCaller?: boolean;
  /**
   * Lets callers without a token open a connection, list, and use the operations that are declared `@Public()`; all
   * others answer them with 401 and a challenge. Only at the path of the resource identifier.
   * @default false
   */
  allowAnonymous?: boolean;
  /**
   * The form of refused tool calls, or a function of the platform's request that chooses it.
   * @default 'http'
   */
  challenge?: ChallengeForm | ((request: unknown) => ChallengeForm);
  /**
   * Further origins whose pages may reach the MCP endpoint: of browsers, such as `https://app.example.com`, and of web views,
   * such as `tauri://localhost` or `chrome-extension://…`. Scheme, host and port in lower case, without a path, as RFC 6454
   * §6.2 writes them. A scheme alone, such as `vscode-webview:`, accepts every host of it; not for `http` and `https`. CORS
   * is not set up by this: a page also needs `app.enableCors()`.
   * @default none: the origin of the resource, and that of any page of this machine if the resource is on loopback
   */
  allowedOrigins?: string[];
  /**
   * What happens to MCP operations with requirements over stdio, where requests carry no token: they are refused, or
   * trusted like whoever started the process, or judged by the access token in the environment variable named here.
   * @default 'deny'
   */
  stdio?:
    | 'deny'
    | 'trust'
    | {
        /** Name of the environment variable; read at each call, so that a token that was renewed counts. */
        tokenEnv: string;
      };
  /**
   * Who keeps the tasks of MCP apart. `'bound'`: this module remembers, in memory, for whom each task was created, and
   * answers everybody else as if there were none; after a restart, and on another replica, that is everybody. With
   * `'bound-by-application'` it lets all `tasks/*` requests through to the MCP framework, whose task store has to bind
   * each task to the `principalKey` of its caller; logged as a warning at every start.
   * @default 'bound'
   * @see MCP 2025-11-25, Tasks, "Task Isolation and Access Control"
   */
  tasks?: 'bound' | 'bound-by-application';
  /**
   * Starts even if an MCP endpoint is served outside of Nest, where no guard runs before it: tools without requirements of
   * their own then run for anybody. Decorated ones are refused at the handler. The application is then not asked, at the
   * start, who answers at the path of each resource. Logged as a warning at every start.
   * @default false
   */
  allowUnguardedMounts?: boolean;
  /**
   * Whether the metadata of the only resource is served at the root of the origin, too, without the path of the resource
   * (`/.well-known/oauth-protected-resource`), where MCP clients look when they find nothing else. `false` where the origin
   * has other things than this resource: a client could take the document there for one about all of them. Has no effect
   * with several resources, of which none is served there, and for a resource without a path, which has no other place.
   * @default true
   */
  rootMetadata?: boolean;
  /**
   * Accepts plain http for resources and issuers that are not on loopback, and for the URLs of keys and introspection, in the
   * options and in metadata. Tokens can then be read on the network; logged as a warning at every start. For a network that
   * nobody listens in, such as that of Docker Compose.
   * @default false
   */
  allowInsecureHttp?: boolean;
  /**
   * Tells clients why a token was refused. Helps an attacker as much as a developer; logged as a warning at start.
   * @default false
   */
  exposeErrorDetails?: boolean;
}

/** All but `verifier`, which is an option of a single resource, too: it is read there. */
export const COMMON_OPTIONS = {
  checkAuthorizationServers: (option) => option.flag(true),
  fetch: (option) => option.function<typeof fetch>('Write a function like the global fetch'),
  cache: readCache,
  clockToleranceSeconds: (option) => option.seconds(5, 0, 300),
  maxTokenLifetimeSeconds: (option) => option.seconds(86_400, 1, 31_536_000),
  followCaller: optional((option) => option.flag(false)),
  allowAnonymous: (option) => option.riskyFlag('what is @Public() works without a token'),
  challenge: readChallenge,
  allowedOrigins: readAllowedOrigins,
  stdio: readStdio,
  tasks: readTasks,
  allowUnguardedMounts: (option) => option.flag(false),
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

function readAllowedOrigins(option: OptionReader): string[] {
  if (Array.isArray(option.value) && option.value.length === 0) return [];
  const write =
    'Write scheme, host and port in lower case, such as "https://app.example.com" or "tauri://localhost"; ' +
    'or a scheme alone, such as "vscode-webview:", if its hosts are not known beforehand';
  const origins = option.texts(write) ?? [];
  for (const origin of origins.filter((one) => !readAllowedOrigin(one))) {
    option.refuse({ seen: showValue(origin), why: 'must be an origin as browsers send it', write });
  }
  return origins;
}

function readStdio(option: OptionReader): 'deny' | 'trust' | { readonly tokenEnv: string } {
  const { value } = option;
  if (value === undefined || value === 'deny') return 'deny';
  if (value === 'trust') {
    option.warn('is "trust": over stdio, nothing is checked');
    return value;
  }
  const tokenEnv = isRecord(value) && Object.keys(value).join() === 'tokenEnv' ? value['tokenEnv'] : undefined;
  if (typeof tokenEnv === 'string' && tokenEnv !== '') return { tokenEnv };
  option.refuse({ why: 'is not a known value', write: 'Write "deny", "trust" or { tokenEnv: "MCP_ACCESS_TOKEN" }' });
  return 'deny';
}

function readTasks(option: OptionReader): 'bound' | 'bound-by-application' {
  const tasks = option.choice(['bound', 'bound-by-application']);
  if (tasks !== 'bound') option.warn(`is "${tasks}": who may use a task is up to its store`);
  return tasks;
}
