import type { Lab } from './lab.js';

/** A token taken apart for its signature. */
export interface Signed {
  /** Header and payload as they were signed: what the signature is about. */
  readonly text: string;
  readonly signature: Buffer;
}

export function takeApart(token: string): Signed {
  const end = token.lastIndexOf('.');
  return { text: token.slice(0, end), signature: Buffer.from(token.slice(end + 1), 'base64url') };
}

/** The good text of a token under this key, with whatever signature. */
export async function textFor({ server }: Lab, key: Parameters<Lab['issuer']['mint']>[1] = {}): Promise<string> {
  return takeApart(await server.mint({}, key)).text;
}

export function putTogether(text: string, signature: Uint8Array): string {
  return `${text}.${Buffer.from(signature).toString('base64url')}`;
}

/** A big-endian number of exactly so many bytes; what does not fit is cut off in front. */
export function bytesOf(value: bigint, length: number): Buffer {
  return Buffer.from(
    value
      .toString(16)
      .padStart(length * 2, '0')
      .slice(-length * 2),
    'hex',
  );
}

export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}
