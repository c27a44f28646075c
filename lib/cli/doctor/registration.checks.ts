import { isRecord, ownMember } from '../../core/record.js';
import { parseUrl } from '../../core/resource.js';
import { parseScope } from '../../core/scopes.js';
import { showValue } from '../../core/safe-text.js';
import type { AuthorizationServerFacts } from './authorization-server.facts.js';
import { ok, problem, notVerifiable, type Check } from './check.js';
import type { RegistrationAnswers } from './registration.js';
import { describe, errorText, isPassing, type ProbeResult } from './probe-result.js';

const ID = 'AS-07';

type Document = Readonly<Record<string, unknown>>;

/** Whether MCP clients can register and read the answer; empty if registration was not tried. */
export function checkRegistration({ registration, resource }: AuthorizationServerFacts): Check[] {
  if (!registration) return [];
  const { seen, scopes } = registration;
  if (isPassing(seen)) return [notVerifiable(ID, `registering a client: ${describe(seen)}`)];
  if (!isCreated(seen)) return [refused(registration)];
  const document = documentIn(seen);
  const flaws = document ? unreadableMembers(document) : ['the body is not a JSON object'];
  if (!document || flaws.length > 0) return [unreadable(seen, flaws)];
  const created = ok(
    ID,
    `it registered a client as MCP clients register, with the scopes ${showValue(scopes)}; the client may be deleted`,
  );
  return [created, ...bound(document, scopes, resource?.scopes ?? [])];
}

function isCreated(seen: ProbeResult): boolean {
  return seen.kind === 'answer' && [200, 201].includes(seen.status);
}

function refused({ seen, scopes, withoutScopes }: RegistrationAnswers): Check {
  const what = `registering a client: ${describe(seen)}${errorText(seen)}`;
  if (withoutScopes && isCreated(withoutScopes)) {
    return problem('warning', ID, {
      seen: `${what}; without scope it registers one, which may be deleted`,
      consequence: `MCP clients always name the scopes they will ask for, here ${showValue(scopes)}, so that none can register`,
      remedy: 'allow clients to register with these scopes, or enter the ID of a registered client in the MCP client',
    });
  }
  return problem('warning', ID, {
    seen: what,
    consequence: 'clients that rely on registration cannot sign in',
    remedy: 'see which policy of the server refused it, or enter the ID of a registered client in the MCP client',
  });
}

function unreadable(seen: ProbeResult, flaws: readonly string[]): Check {
  return problem('warning', ID, {
    seen: `registering a client: ${describe(seen)}, but ${flaws.join(', ')}; the client may be deleted`,
    consequence:
      'the official MCP clients give up on such an answer, although the client is registered (RFC 7591 §3.2.1)',
    remedy: 'leave out members without a value; or enter the ID of a registered client in the MCP client',
  });
}

/** A server may refuse further scopes to a client that is registered for some scopes only. */
function bound(document: Document, sent: readonly string[], all: readonly string[]): Check[] {
  const value = ownMember(document, 'scope');
  const registered = typeof value === 'string' ? parseScope(value) : undefined;
  const missing = registered ? all.filter((scope) => !registered.includes(scope)) : [];
  if (missing.length === 0) return [];
  return [
    problem('warning', ID, {
      seen: `the client is registered for the scopes ${showValue(registered)}, as it asked for ${showValue(sent)}`,
      consequence: `servers that hold clients to this refuse step-up to ${showValue(missing)} with invalid_scope`,
      remedy:
        "set scopes.challenge: 'all' at the MCP server, or leave scopes.required out, so that clients register for all of scopes_supported; or use client ID metadata documents or a registered client",
    }),
  ];
}

/** The members that the official clients validate, by the type that they require. */
const TEXTS = [
  'client_id',
  'client_secret',
  'token_endpoint_auth_method',
  'application_type',
  'client_name',
  'scope',
  'policy_uri',
  'software_id',
  'software_version',
  'software_statement',
];
const NUMBERS = ['client_id_issued_at', 'client_secret_expires_at'];
const LISTS = ['redirect_uris', 'grant_types', 'response_types', 'contacts'];
const URLS = ['client_uri', 'jwks_uri'];
const URLS_OR_EMPTY = ['logo_uri', 'tos_uri'];
const REQUIRED = ['client_id', 'redirect_uris'];

function unreadableMembers(document: Document): string[] {
  const isText = (value: unknown): boolean => typeof value === 'string';
  const isUrl = (value: unknown): boolean => typeof value === 'string' && parseUrl(value) !== undefined;
  const rules: readonly (readonly [names: readonly string[], isReadable: (value: unknown) => boolean])[] = [
    [TEXTS, isText],
    [NUMBERS, (value) => typeof value === 'number'],
    [LISTS, (value) => Array.isArray(value) && value.every(isText)],
    [URLS, isUrl],
    [URLS_OR_EMPTY, (value) => value === '' || isUrl(value)],
  ];
  const wrong = rules.flatMap(([names, isReadable]) =>
    names.filter((name) => ownMember(document, name) !== undefined && !isReadable(ownMember(document, name))),
  );
  const missing = REQUIRED.filter((name) => ownMember(document, name) === undefined);
  return [
    ...wrong.map((name) => `${name} is ${showValue(ownMember(document, name))}`),
    ...missing.map((name) => `${name} is missing`),
  ];
}

function documentIn(seen: ProbeResult): Document | undefined {
  if (seen.kind === 'no-answer' || seen.flaw !== undefined) return undefined;
  try {
    const value: unknown = JSON.parse(seen.text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
