import { isRecord } from '../core/record.js';
import type { PrincipalKind } from '../core/principal-kind.js';
import { showValue } from '../core/safe-text.js';
import { ambiguousPrefixes } from './introspection-options.js';
import { readHeaderName } from './header-name-option.js';
import type { OptionReader, ReadersOf } from './option-reader.js';

/** A credential that the application issues and verifies itself, beside the access tokens of the authorization servers. */
export interface CredentialOptions {
  /**
   * Identifies this kind of credential, such as `api-key`: lower case, digits and hyphens. It is part of `principalKey`, so a
   * new name makes new principals.
   */
  name: string;
  /**
   * Where clients send it: alone in a header field of its own, or as `Authorization: Bearer` with this prefix. A token with the
   * prefix never reaches the built-in verification. A header field has at most 4,096 characters of visible ASCII without commas.
   */
  from:
    | {
        /** Name of the header field, in lower case, such as `x-api-key`. */
        header: string;
      }
    | {
        /** How the Bearer token begins, such as `sk_`; case-sensitive. */
        bearerPrefix: string;
      };
  /**
   * Returns the caller, or undefined or null for an unknown credential, which is answered with 401. Errors have the same meaning as
   * those of `TokenVerifier.verify`: 503, unless they say that the credential is bad. Taking more than five seconds is an error, too.
   */
  verify: VerifyCredential;
  /**
   * Longest time for which a credential is not verified again, in seconds, 0 to 3600. A revoked one is accepted for up to this
   * long. Concurrent requests with the same credential are verified once, whatever this says.
   * @default 0
   */
  cacheSeconds?: number;
}

/** Verifies a credential of the application. Compare secrets by their hash, in constant time. */
export type VerifyCredential = (
  credential: string,
  context: CredentialContext,
) => CredentialCaller | undefined | null | Promise<CredentialCaller | undefined | null>;

/** What `verify` of a credential is told besides the credential. */
export interface CredentialContext {
  /** The identifier of the protected resource that is called. */
  readonly resource: string;
}

/** Who called with a credential of the application. Other members are not read. */
export interface CredentialCaller {
  /** The user or machine. Unique among the callers of this credential; never the same principal as a subject elsewhere. */
  readonly subject: string;
  /** The client that acts, if it is known. @default none */
  readonly clientId?: string | undefined;
  /** The granted scopes. A value that is not the name of a scope grants nothing. */
  readonly scopes: readonly string[];
  /**
   * Seconds since the epoch. Without it, the caller is verified anew with each request, and streams end after
   * `maxTokenLifetimeSeconds`; a later time counts as that one.
   * @default none
   */
  readonly expiresAt?: number | undefined;
  /** Whether a user or a machine calls. @default 'unknown' */
  readonly kind?: PrincipalKind | undefined;
  /** Further facts for policies and handlers: plain data, which is copied. @default {} */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
}

/** A credential of the application, with every default filled in. */
export interface ResolvedCredential {
  readonly name: string;
  /** In lower case; undefined if it is a Bearer credential. */
  readonly header: string | undefined;
  readonly bearerPrefix: string | undefined;
  readonly verify: VerifyCredential;
  readonly cacheSeconds: number;
}

export const CREDENTIAL_OPTIONS = {
  name: readName,
  from: readSource,
  verify: readVerify,
  cacheSeconds: (option) => option.seconds(0, 0, 3_600),
} satisfies ReadersOf<CredentialOptions>;

/** Reads the list of credentials. No two may have the same name or the same place. */
export function readCredentialOptions(option: OptionReader): ResolvedCredential[] {
  if (option.isGiven && !Array.isArray(option.value)) {
    option.refuse({ seen: 'something else', why: 'must be a list', write: `Write [${EXAMPLE}]` });
  }
  const credentials = option.entries().map((entry) => {
    if (!isRecord(entry.value)) {
      entry.refuse({ seen: 'something else', why: 'must be an object', write: `Write ${EXAMPLE}` });
    }
    const { from, ...given } = entry.section(CREDENTIAL_OPTIONS);
    return { ...given, ...from };
  });
  refuseRepeated(
    option,
    'name',
    credentials.map(({ name }) => name),
  );
  refuseRepeated(
    option,
    'header',
    credentials.flatMap(({ header }) => header ?? []),
  );
  return credentials;
}

const EXAMPLE = "{ name: 'api-key', from: { header: 'x-api-key' }, verify }";

/**
 * Refuses prefixes of Bearer credentials that could belong to two verifiers.
 *
 * @param tokenPrefixes of the tokens that are introspected
 */
export function refuseAmbiguousCredentials(
  option: OptionReader,
  credentials: readonly ResolvedCredential[],
  tokenPrefixes: readonly string[],
): void {
  const own = credentials.flatMap(({ bearerPrefix }) => (bearerPrefix ? [bearerPrefix] : []));
  if (own.length === 0) return;
  const seen = new Set(ambiguousPrefixes([...own, ...new Set(tokenPrefixes)]));
  for (const prefix of seen) {
    if (!own.some((one) => one.startsWith(prefix) || prefix.startsWith(one))) continue;
    const why = 'a token that begins like this could belong to another credential or authorization server, too';
    option.refuse({ seen: showValue(prefix), why, write: 'Give each prefix a beginning of its own' });
  }
}

function refuseRepeated(option: OptionReader, what: string, values: readonly string[]): void {
  for (const value of values.filter((one, index) => one !== '' && values.indexOf(one) < index)) {
    const why = `several credentials have this ${what}`;
    option.refuse({ seen: showValue(value), why, write: `Give each credential a ${what} of its own` });
  }
}

/** Short, and without characters of URLs: it becomes part of an issuer that no authorization server can have. */
const NAME = /^[a-z][a-z0-9-]{0,63}$/;

function readName(option: OptionReader): string {
  const name = option.requiredText('Write a name such as "api-key"');
  if (name === '' || NAME.test(name)) return name;
  const why = 'must begin with a letter, and have only lower case letters, digits and hyphens';
  option.refuse({ why, write: 'Write a name such as "api-key"' });
  return '';
}

function readVerify(option: OptionReader): VerifyCredential {
  const write = 'Write (credential, { resource }) => the caller, or undefined';
  const verify = option.function<VerifyCredential>(write);
  if (!option.isGiven) option.refuse({ why: 'it is required', write });
  return verify ?? (() => undefined);
}

const WRITE_HEADER = 'Write the name of a header field of your own, such as "x-api-key"';
const WRITE_SOURCE = "Write { header: 'x-api-key' } or { bearerPrefix: 'sk_' }";

function readSource(option: OptionReader): Pick<ResolvedCredential, 'header' | 'bearerPrefix'> {
  const { value } = option;
  if (isRecord(value)) option.refuseUnknown(['header', 'bearerPrefix']);
  const [header, bearerPrefix] = [option.at('header'), option.at('bearerPrefix')];
  if (!isRecord(value) || header.isGiven === bearerPrefix.isGiven) {
    option.refuse({
      seen: isRecord(value) ? 'none or both' : showValue(value),
      why: 'must name one place',
      write: WRITE_SOURCE,
    });
    return { header: undefined, bearerPrefix: undefined };
  }
  return {
    header: header.isGiven ? readHeaderName(header, WRITE_SOURCE, WRITE_HEADER) : undefined,
    bearerPrefix: bearerPrefix.isGiven ? readBearerPrefix(bearerPrefix) : undefined,
  };
}

/** `token68` without the padding at its end (RFC 9110 §11.2). */
const BEARER_PREFIX = /^[A-Za-z0-9._~+/-]{1,64}$/;

/** How the first part of a JWT begins: `{` and then `"`, white space or a line break, in base64url. */
const JWT_BEGINNINGS = ['eyJ', 'eyA', 'ewk', 'ewo', 'ew0'];

function readBearerPrefix(option: OptionReader): string | undefined {
  const prefix = option.requiredText(WRITE_SOURCE);
  const write = 'Write the beginning that all of these credentials have, such as "sk_"';
  if (prefix === '') return undefined;
  if (!BEARER_PREFIX.test(prefix)) {
    option.refuse({ why: 'must be at most 64 characters of A-Z a-z 0-9 . _ ~ + / - (token68 of RFC 9110)', write });
  } else if (JWT_BEGINNINGS.some((jwt) => jwt.startsWith(prefix) || prefix.startsWith(jwt))) {
    option.refuse({ why: 'a JWT can begin like this', write });
  } else {
    return prefix;
  }
  return undefined;
}
