import { Inject, Injectable } from '@nestjs/common';
import { statusOf, type McpAuthError } from '../core/error.js';
import { isScopeToken, parseScope } from '../core/scopes.js';
import { quoted, typeOf, type Observed } from '../core/safe-text.js';
import { ownMember } from '../core/record.js';
import { describeGrant, scopeClaims, type GrantClaim, type WrittenClaim } from '../token/granted-scopes.js';
import { SCOPE_CLAIMS } from '../core/token-format.js';
import { Clock } from '../core/clock.js';
import type { McpAuthInfo } from '../core/auth-info.js';
import { writeLine } from './log-line.js';
import { LogLimit, type LeftOut, type LogLimits } from './log-limit.js';
import type { ResolvedResource } from '../options/resource-options.js';
import { adviceFor, levelOf, type RefusalLevel } from './refusal-advice.js';
import { logger } from './logger.js';

/** DI token of {@link LogLimits}, so that tests can see every line. */
export const REFUSAL_LOG_LIMITS = Symbol('nestjs-mcp-auth:refusal-log-limits');

/** Applied to each level by itself: a flood of normal refusals must not push out those on which someone must act. */
export const DEFAULT_REFUSAL_LOG_LIMITS: LogLimits = { quietMs: 30_000, linesPerSecond: 10, maxKeys: 1_000 };

/** What a log line about a refusal is made from. */
export interface RefusalRecord {
  readonly error: McpAuthError;
  readonly resource: ResolvedResource;
  readonly operations: readonly string[];
  /** The verified caller; undefined if there is none. */
  readonly caller: McpAuthInfo | undefined;
  /** All scopes that the request needs, as far as known. */
  readonly scopes: readonly string[];
}

/** Number of operations that a line names; it gives only the number of the others. */
const MAX_OPERATIONS = 3;

/**
 * Writes a line about a refusal: the operation, the reason, the values behind it, the caller, and what to do. Never
 * writes a part of a token, or a claim that this does not need. Quotes text from clients. Limits equal lines (see
 * {@link LogLimits}).
 */
@Injectable()
export class RefusalLog {
  readonly #limits: Readonly<Record<RefusalLevel, LogLimit>>;

  constructor(@Inject(REFUSAL_LOG_LIMITS) limits: LogLimits, clock: Clock) {
    const limit = (): LogLimit => new LogLimit(limits, () => clock.now());
    this.#limits = { warn: limit(), log: limit(), debug: limit() };
  }

  write(record: RefusalRecord): void {
    const { reason } = record.error;
    // A client steps up every day; but no step-up helps where the scopes cannot be read.
    const level = reason === 'scope_missing' && scopesSeen(record)?.isUnreadable ? 'warn' : levelOf(reason);
    const leftOut = this.#limits[level].admit(keyOf(record));
    if (leftOut) writeLine(logger, level, lineFor(record) + addition(leftOut));
  }
}

/** Equal for refusals that need only one line. */
function keyOf({ error, operations, caller }: RefusalRecord): string {
  const { origin, seen } = error;
  const issuer = caller?.issuer ?? origin?.issuer ?? seen['iss'];
  // One reason may have several causes. These words come from this library, and are few.
  const cause = seen['because'] ?? seen['shown by'] ?? seen['bound by'];
  return JSON.stringify([
    error.reason,
    cause,
    seen['credential'],
    issuer,
    (caller ?? origin)?.clientId?.slice(0, 200),
    operations.slice(0, MAX_OPERATIONS),
  ]);
}

function lineFor(record: RefusalRecord): string {
  const { error, resource, operations, caller } = record;
  const { value: identifier } = resource.identifier;
  const head = `Refused ${statusOf(error)} ${error.code}${placeText(operations, identifier)}: ${error.message}`;
  const seen = { ...error.seen, ...seenOfCaller(record) };
  const who = caller ? callerText(caller) : originText(error);
  const advice = adviceFor(error.reason, {
    resource: identifier,
    audiences: resource.audiences,
    issuer: issuerOf(record),
    seen,
  });
  return `${head}${seenText(seen)}${who}.${advice === undefined ? '' : ` ${advice}.`}`;
}

/** The issuer of the token, or the only configured one. */
function issuerOf({ error, resource, caller }: RefusalRecord): string | undefined {
  const [server, ...others] = resource.authorizationServers;
  return caller?.issuer ?? error.origin?.issuer ?? (others.length === 0 ? server?.issuer : undefined);
}

/** MCP operations are requests to the URL of the resource; other routes have their own URL. */
function placeText(operations: readonly string[], resource: string): string {
  if (operations.length === 0) return ` at ${resource}`;
  const isRoute = operations.length === 1 && /^[A-Z]+ \//.test(operations[0] ?? '');
  return ` for ${operationsText(operations)}${isRoute ? ` (resource ${resource})` : ` at ${resource}`}`;
}

function addition({ same, others }: LeftOut): string {
  const ofSame = same === 0 ? '' : ` And ${same} more like it since the last such line.`;
  return others === 0 ? ofSame : `${ofSame} Left out ${others} other refusals: too many in one second.`;
}

function operationsText(operations: readonly string[]): string {
  const named = operations.slice(0, MAX_OPERATIONS).map(plain).join(', ');
  const others = operations.length - MAX_OPERATIONS;
  return others > 0 ? `${named} and ${others} more` : named;
}

/** Unquoted if the text cannot be mistaken for another part of the line; otherwise quoted. */
function plain(text: string): string {
  return /^[\w./:{}@?=&%~+-]+(?: [\w./:{}@?=&%~+-]+)?$/.test(text) && text.length <= 150 && !text.includes('eyJ')
    ? text
    : quoted(text);
}

/** Observed values that are not themselves a claim or header. */
const LABELS: ReadonlySet<string> = new Set([
  'expected',
  'missing',
  'needs',
  'looked for',
  'marked by',
  'shown by',
  'bound by',
  'returned',
]);

/** Claims that are shown in seconds from now. */
const TIMES: ReadonlySet<string> = new Set(['exp', 'nbf', 'iat']);

/** `aud is "account", expected "https://…"` */
function seenText(seen: Observed): string {
  const parts = Object.entries(seen).map(([name, value]) => {
    if (name === 'because') return value;
    if (LABELS.has(name)) return `${name} ${value}`;
    const unit = TIMES.has(name) && /^-?\d+$/.test(value) ? ' s from now' : '';
    return `${name} is ${value === 'null' ? 'absent' : value}${unit}`;
  });
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** The scopes or sign-in of a verified caller, for refusals about these. */
function seenOfCaller(record: RefusalRecord): Observed {
  const { error, caller, scopes: needed } = record;
  const { reason, scopes, authentication } = error;
  if (!caller) return {};
  if (reason === 'scope_missing') {
    const all = scopes.length > 0 ? scopes : needed;
    return { needs: quoted(all.join(' ')), ...scopesSeen(record)?.seen };
  }
  if (reason !== 'authentication_insufficient') return {};
  const { acr = [], maxAgeSeconds } = authentication ?? {};
  return {
    ...(acr.length > 0 && { acr: quoted(ownMember(caller.claims, 'acr') ?? null), expected: quoted(acr) }),
    ...(maxAgeSeconds !== undefined && {
      auth_time: `${quoted(ownMember(caller.claims, 'auth_time') ?? null)}, and ${maxAgeSeconds} s are allowed`,
    }),
  };
}

interface ScopesSeen {
  readonly seen: Observed;
  /** Whether a claim has a value that can grant nothing, whatever the user may do. */
  readonly isUnreadable: boolean;
}

/**
 * The scopes of the token: the granted ones, or if there are none, the content of each claim from which they are read. Shows
 * roles only if the options name them. With a verifier or `scopesOf` of the application, only the scopes that it returned.
 */
function scopesSeen({ caller, resource }: RefusalRecord): ScopesSeen | undefined {
  if (!caller) return undefined;
  const server = resource.authorizationServers.find(({ issuer }) => issuer === caller.issuer);
  const granted = quoted(caller.scopes.join(' '));
  if (caller.credential !== undefined) {
    return {
      seen: { scope: `${granted} by verify of the credential ${quoted(caller.credential)}` },
      isUnreadable: false,
    };
  }
  if (resource.verifier || server?.scopeRules.scopesOf) return { seen: { scope: granted }, isUnreadable: false };
  const grants = (server?.scopeRules.grants ?? []).map((grant) => describeGrant(caller.claims, grant));
  const inClaims = scopeClaimsSeen(caller, server?.claimNames ?? { scopes: SCOPE_CLAIMS });
  return {
    seen: { ...inClaims.seen, ...Object.fromEntries(grants.map((grant) => [plain(grant.claim), grantText(grant)])) },
    isUnreadable: inClaims.isUnreadable || grants.some(({ type }) => type !== undefined),
  };
}

function scopeClaimsSeen(caller: McpAuthInfo, names: Parameters<typeof scopeClaims>[1]): ScopesSeen {
  const claims = scopeClaims(caller.claims, names);
  if (claims.length === 0) {
    return { seen: Object.fromEntries(names.scopes.map((name) => [plain(name), 'null'])), isUnreadable: false };
  }
  const texts = claims.map((claim) => [plain(claim.name), scopeClaimText(claim)] as const);
  return {
    seen: Object.fromEntries(texts.map(([name, { text }]) => [name, text])),
    isUnreadable: texts.some(([, { isUnreadable }]) => isUnreadable),
  };
}

function scopeClaimText({ value }: WrittenClaim): { readonly text: string; readonly isUnreadable: boolean } {
  if (typeof value === 'string') return { text: quoted(parseScope(value).join(' ')), isUnreadable: false };
  if (!Array.isArray(value)) return { text: typeOf(value).text, isUnreadable: true };
  const granted = quoted([...new Set(value.filter(isScopeToken))].join(' '));
  const ignored = value.filter((member) => !isScopeToken(member)).length;
  if (ignored === 0) return { text: granted, isUnreadable: false };
  const members = ignored === 1 ? 'a member that is' : `${ignored} members that are`;
  return { text: `${granted}, and ${members} not a scope name`, isUnreadable: true };
}

/** `["editor"] and 2 others that grant nothing`. */
function grantText({ granting, others, type }: GrantClaim): string {
  if (type !== undefined) return type;
  if (granting.length === 0 && others === 0) return 'null';
  const other = others === 1 ? '1 value that grants' : `${others} values that grant`;
  if (granting.length === 0) return `${other} nothing`;
  return others === 0 ? quoted(granting) : `${quoted(granting)} and ${other} nothing`;
}

function callerText({ issuer, clientId, principalKey }: McpAuthInfo): string {
  return `; issuer ${plain(issuer)}, client ${quoted(clientId)}, principal ${principalKey}`;
}

function originText({ origin }: McpAuthError): string {
  if (!origin) return '';
  const client = origin.clientId === undefined ? '' : `, client ${quoted(origin.clientId)}`;
  const word = origin.isOpaque ? ', which is asked about such tokens' : ', as the token says, which was not verified';
  return `; issuer ${plain(origin.issuer)}${client}${origin.isVerified ? '' : word}`;
}
