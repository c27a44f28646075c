import type { JWK } from 'jose';
import { isRecord } from '../core/record.js';
import { readSigningKey } from '../issuer/client-authentication.js';
import { DpopKey } from '../issuer/dpop-key.js';
import type { OptionReader } from './option-reader.js';

/** A key to which tokens are bound: a new one for `true`, or the given one; undefined after a problem. Never shows it. */
export function readDpopKey(option: OptionReader): DpopKey | undefined {
  if (option.value === true) return DpopKey.generate();
  if (!isRecord(option.value)) {
    const write = 'Write true, or { privateKey: … }; leave it out for Bearer tokens';
    option.refuse({ seen: 'a value', why: 'must be true or an object', write });
    return undefined;
  }
  option.refuseUnknown(['privateKey']);
  const key = option.at('privateKey');
  try {
    return DpopKey.of(readSigningKey(key.value as JWK | string));
  } catch (error) {
    const why = error instanceof TypeError ? error.message : 'must be a private key';
    const write = 'Write a private JWK or PEM text (PKCS #8): RSA, EC or Ed25519; or dpop: true';
    key.refuse({ seen: key.isGiven ? 'a value' : 'nothing', why, write });
    return undefined;
  }
}
