import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** In characters. */
const MAX_LENGTH = 4_096;

/**
 * Seals values so that others can carry or keep them: clients, browsers, stores. Whoever has one can neither read nor change it, and
 * no value of another purpose is accepted in its place. Remembers nothing: replicas with one secret open each other's values.
 *
 * Does NOT check how old a value is, or whether it was opened before. AES-256-GCM with a random nonce, under a key of its own for
 * each purpose (NIST SP 800-38D §8.2.2; HKDF, RFC 5869).
 */
export class SealedValues<Content extends object> {
  readonly #keys: readonly [Buffer, ...Buffer[]];

  constructor(
    /** The first one seals; the others are recognized, too, while secrets are changed. */
    secrets: readonly [string, ...string[]],
    /** What the values are for. */
    purpose: string,
    /** Longer text is not looked at, since everybody can send some; in characters. */
    private readonly maxLength = MAX_LENGTH,
  ) {
    const [first, ...others] = secrets;
    this.#keys = [keyFor(first, purpose), ...others.map((secret) => keyFor(secret, purpose))];
  }

  /** @param place where the value will be kept: it opens in no other. Empty for a value that may be anywhere. */
  seal(content: Content, place = ''): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', keyAt(this.#keys[0], place), nonce).setAAD(Buffer.from(place, 'utf8'));
    const sealed = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** The content; undefined for everything that was not sealed here for this purpose, and for this place. */
  open(text: unknown, place = ''): Content | undefined {
    if (typeof text !== 'string' || text.length > this.maxLength) return undefined;
    const bytes = Buffer.from(text, 'base64url');
    // Other spellings of the same bytes are not what was sealed.
    if (bytes.length <= NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== text) return undefined;
    for (const key of this.#keys) {
      const content = decrypted(bytes, key, place);
      if (content !== undefined) return JSON.parse(content) as Content;
    }
    return undefined;
  }
}

function keyFor(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `nestjs-mcp-auth ${purpose}`, 32));
}

/** One key must not seal more than 2³² values with random nonces (NIST SP 800-38D §8.3); there may be more places than that. */
function keyAt(key: Buffer, place: string): Buffer {
  return place === '' ? key : createHmac('sha256', key).update(place).digest();
}

function decrypted(bytes: Buffer, key: Buffer, place: string): string | undefined {
  const decipher = createDecipheriv('aes-256-gcm', keyAt(key, place), bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(place, 'utf8')).setAuthTag(bytes.subarray(-TAG_BYTES));
  const content = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([content, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
