import type { Abstract, Type } from '@nestjs/common';
import { TokenVerifier, type VerifiedToken } from '../core/token-verifier.js';
import type { OptionReader } from './option-reader.js';

/** Verification by the application: a function, an object, or the class of a provider that Nest has a single one of. */
export type VerifierOption =
  | ((token: string) => VerifiedToken | Promise<VerifiedToken>)
  | TokenVerifier
  | Type<TokenVerifier>
  | Abstract<TokenVerifier>;

/** The same after validation. An object is called through a function, since options are frozen and it is not ours. */
export type ResolvedVerifier =
  | { readonly kind: 'function'; readonly verify: (token: string) => unknown }
  | { readonly kind: 'provider'; readonly type: VerifierClass };

/** A class that Nest is asked for, which may be an abstract one that stands for another. */
export type VerifierClass = Type<TokenVerifier> | Abstract<TokenVerifier>;

/** Undefined where there is none. */
export function readVerifier(option: OptionReader): ResolvedVerifier | undefined {
  if (!option.isGiven) return undefined;
  const verifier = verifierOf(option.value);
  if (!verifier) {
    const write = 'Write a function, an object with a method `verify`, or a class that extends TokenVerifier';
    option.refuse({ seen: 'something else', why: 'it can verify nothing', write });
  }
  return verifier;
}

/** Undefined for what can be none of them. */
function verifierOf(value: unknown): ResolvedVerifier | undefined {
  if (isVerifierClass(value)) return { kind: 'provider', type: value };
  if (typeof value === 'function') return { kind: 'function', verify: value as (token: string) => unknown };
  if (isVerifier(value)) return { kind: 'function', verify: (token) => value.verify(token) };
  return undefined;
}

/** Whether it can verify; also one that does not extend {@link TokenVerifier}, as of another copy of this package. */
export function isVerifier(value: unknown): value is TokenVerifier {
  return typeof value === 'object' && value !== null && 'verify' in value && typeof value.verify === 'function';
}

function isVerifierClass(value: unknown): value is VerifierClass {
  if (typeof value !== 'function') return false;
  const prototype: unknown = value.prototype;
  return value === TokenVerifier || prototype instanceof TokenVerifier || isVerifier(prototype);
}
