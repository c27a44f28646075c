import type { OptionReader } from './option-reader.js';

/** In characters: 128 bits as hexadecimal text. */
const MIN_SECRET_LENGTH = 32;

/** One or more secrets, of which the first is the newest. Never shows one. */
export function readSecrets(option: OptionReader): [string, ...string[]] {
  const write = `Write at least ${MIN_SECRET_LENGTH} random characters, such as those of openssl rand -hex 32`;
  const secrets = Array.isArray(option.value) ? (option.value as unknown[]) : [option.value];
  const isSecret = (value: unknown): value is string => typeof value === 'string' && value.length >= MIN_SECRET_LENGTH;
  const [first, ...others] = secrets;
  if (isSecret(first) && others.every(isSecret)) return [first, ...others];
  const seen = option.isGiven ? 'a value that is not shown' : 'nothing';
  option.refuse({ seen, why: 'must be a secret that nobody can guess', write });
  return [''];
}
