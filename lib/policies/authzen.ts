import { deny, type Denial } from '../core/denial.js';
import { McpAuthError } from '../core/error.js';
import { NotAskedError } from '../core/not-asked-error.js';
import { isRecord, ownMember } from '../core/record.js';
import { describeError, Plain } from '../core/safe-text.js';
import { UnderWayLimit } from '../issuer/cool-down.js';
import { OutboundError } from '../issuer/outbound-error.js';
import { postJson } from '../issuer/outbound.js';
import type { Policy, PolicyContext } from '../options/policy-option.js';
import { evaluationOf } from './authzen-evaluation.js';
import { readAuthzen, type AuthzenOptions, type ResolvedAuthzen } from './authzen-options.js';

/** Longest answer that is read, in bytes. */
const MAX_BYTES = 65_536;

/** Most requests to the decision point that are under way at a time, for each policy. */
const MAX_UNDER_WAY = 256;

/** How long a client is asked to wait, in seconds, if the decision point does not say it; and the longest time that it may say. */
const RETRY_AFTER_SECONDS = 5;
const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * A policy that asks a decision point with the Access Evaluation API of OpenID AuthZEN 1.0, for the option `authorize` and for
 * `@Authorize()`. `decision: true` allows the call, `decision: false` refuses it: the first text in `reason_admin` (or
 * `reason`) of the answer goes to the log, the first in `reason_user` to the client. Everything else (no answer in time,
 * another status, a redirect, another content type, more than 64 KiB, no boolean) refuses the call with `503` and
 * `Retry-After`.
 *
 * Sends `subject` (`type`: `user`, `client` or `unknown`; `id`: the `principalKey`), `action` (`name`: the JSON-RPC method,
 * such as `tools/call`; on HTTP routes the HTTP method), `resource` (`type`: `tool`, `prompt`, `resource` or
 * `resource-template`, with the declared name as `id`; `mcp-server` with the id of the protected resource for other messages;
 * `route` with the path for HTTP routes) and `context` (`resource`: the id of the protected resource). Sends arguments only
 * with `sendArguments`. Sends nothing of the token, and no claim, unless the option `subject` adds it.
 *
 * Does NOT cache decisions, follow redirects, or obey obligations in the `context` of a permission.
 *
 * @throws {McpAuthConfigError} at once, if the options cannot be used.
 * @see OpenID AuthZEN Authorization API 1.0, "Access Evaluation API"
 */
export function authzen(options: AuthzenOptions): Policy {
  const resolved = readAuthzen(options);
  const limit = new UnderWayLimit(MAX_UNDER_WAY);
  return async (context) => {
    let answer: Record<string, unknown>;
    try {
      answer = await limit.run(() => ask(resolved, context));
    } catch (cause) {
      throw undecided(cause);
    }
    return answer['decision'] === true ? true : denialOf(answer);
  };
}

/** @throws if there is no answer with a decision. */
async function ask(options: ResolvedAuthzen, context: PolicyContext): Promise<Record<string, unknown>> {
  const { url, timeoutMs, fetch: ofApplication } = options;
  const outbound = { timeoutMs, maxBytes: MAX_BYTES, ...(ofApplication && { fetch: ofApplication }) };
  const body = JSON.stringify(evaluationOf(options, context));
  const answer = await postJson(url, { headers: options.headers(), body }, outbound);
  const decision = ownMember(answer, 'decision');
  if (typeof decision !== 'boolean') throw new OutboundError(`POST ${url}`, '`decision` is not true or false', 200);
  return answer;
}

/** The refusal of a call that nobody decided. */
function undecided(cause: unknown): McpAuthError {
  const wanted = cause instanceof OutboundError || cause instanceof NotAskedError ? cause.retryAfterSeconds : undefined;
  const retryAfterSeconds = Math.min(Math.max(wanted ?? RETRY_AFTER_SECONDS, 1), MAX_RETRY_AFTER_SECONDS);
  const isOurs = cause instanceof OutboundError || cause instanceof NotAskedError;
  // An error of the application's function may quote anything.
  const seen = isOurs ? { because: new Plain(describeError(cause)) } : { error: describeError(cause) };
  return new McpAuthError('temporarily_unavailable', 'policy_unavailable', { cause, retryAfterSeconds, seen });
}

function denialOf(answer: Readonly<Record<string, unknown>>): Denial {
  const context = ownMember(answer, 'context');
  if (!isRecord(context)) return deny();
  return deny({
    reason: firstText(ownMember(context, 'reason_admin')) ?? firstText(ownMember(context, 'reason')),
    message: firstText(ownMember(context, 'reason_user')),
  });
}

/** A text, or the first one in an object of texts by language or code. */
function firstText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isRecord(value) ? Object.values(value).find((one): one is string => typeof one === 'string') : undefined;
}
