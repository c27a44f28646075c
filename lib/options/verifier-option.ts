import type { Abstract, Type } from '@nestjs/common';
import { TokenVerifier, type VerifiedToken } from '../core/token-verifier.js';
import type { OptionReader } from './option-reader.js';

/** Verification by the application: a function, an object, or the class of a provider with a single instance in Nest. */
export type VerifierOption =
  | ((token: string) => VerifiedToken | Promise<VerifiedToken>)
  | TokenVerifier
  | Type<TokenVerifier>
  | Abstract<TokenVerifier>;

/** The option after validation. A function wraps an object, since options are frozen and the object belongs to the user. */
export type ResolvedVerifier =
  | { readonly kind: 'function'; readonly verify: (token: string) => unknown }
  | { readonly kind: 'provider'; readonly type: VerifierClass };

/** The class of the provider to resolve in Nest; it may be an abstract class that is the token of another provider. */
export type VerifierClass = Type<TokenVerifier> | Abstract<TokenVerifier>;

/** The verifier; undefined if the option is absent or cannot be used. */
export function readVerifier(option: OptionReader): ResolvedVerifier | undefined {
  if (!option.isGiven) return undefined;
  const verifier = verifierOf(option.value);
  if (!verifier) {
    const write = 'Write a function, an object with a method `verify`, or a class that extends TokenVerifier';
    option.refuse({ seen: 'something else', why: 'it can verify nothing', write });
  }
  return verifier;
}

/** The verifier that a value describes; undefined for any other value. */
function verifierOf(value: unknown): ResolvedVerifier | undefined {
  if (isVerifierClass(value)) return { kind: 'provider', type: value };
  if (typeof value === 'function') return { kind: 'function', verify: value as (token: string) => unknown };
  if (isVerifier(value)) return { kind: 'function', verify: (token) => value.verify(token) };
  return undefined;
}

/** Whether a value has a method `verify`. It may extend the {@link TokenVerifier} of another copy of this package. */
export function isVerifier(value: unknown): value is TokenVerifier {
  return typeof value === 'object' && value !== null && 'verify' in value && typeof value.verify === 'function';
}

function isVerifierClass(value: unknown): value is VerifierClass {
  if (typeof value !== 'function') return false;
  const prototype: unknown = value.prototype;
  return value === TokenVerifier || prototype instanceof TokenVerifier || isVerifier(prototype);
}
