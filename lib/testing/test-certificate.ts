import { generateKeyPairSync, hash, randomBytes, sign, type KeyObject } from 'node:crypto';

/** The claim `cnf` of a token that is bound to a certificate (RFC 8705 §3.1). */
export interface TestCertificateConfirmation {
  /** The thumbprint of the certificate. */
  readonly 'x5t#S256': string;
}

/**
 * A self-signed X.509 certificate with its key, FOR TESTS ONLY: that of a client to which an access token is bound, or that of
 * a server at `localhost` or 127.0.0.1. Valid from 2000 to 2049, so that no clock of a test matters.
 *
 * ```ts
 * const certificate = TestCertificate.generate();
 * const token = await issuer.mint({ cnf: certificate.confirmation });
 * const agent = new https.Agent({ key: certificate.key, cert: certificate.cert });
 * ```
 *
 * @see RFC 8705 §3, RFC 5280
 */
export class TestCertificate {
  /** The certificate as sent in TLS: DER. */
  readonly der: Buffer;
  /** The same as PEM. */
  readonly cert: string;
  /** The private key as PEM. */
  readonly key: string;
  /** The SHA-256 of the certificate (`x5t#S256`), base64url. */
  readonly thumbprint: string;

  private constructor(der: Buffer, privateKey: KeyObject) {
    this.der = der;
    this.cert = `-----BEGIN CERTIFICATE-----\n${linesOf(der.toString('base64'))}\n-----END CERTIFICATE-----\n`;
    this.key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    this.thumbprint = hash('sha256', der, 'base64url');
  }

  /**
   * Generates a key on P-256 and a certificate for it, signed with that key.
   *
   * @param options `commonName`: that of its subject and issuer; `nestjs-mcp-auth test` by default.
   */
  static generate({ commonName = 'nestjs-mcp-auth test' }: { readonly commonName?: string } = {}): TestCertificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const name = sequence(setOf(sequence(oid(COMMON_NAME), tagged(0x0c, Buffer.from(commonName)))));
    const content = sequence(
      tagged(0xa0, tagged(0x02, Buffer.from([2]))),
      tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      sequence(oid(ECDSA_WITH_SHA256)),
      name,
      sequence(utcTime('000101000000Z'), utcTime('491231235959Z')),
      name,
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(sequence(oid(SUBJECT_ALT_NAME), tagged(0x04, LOOPBACK)))),
    );
    const signature = sign('sha256', content, privateKey);
    const der = sequence(content, sequence(oid(ECDSA_WITH_SHA256)), tagged(0x03, Buffer.from([0]), signature));
    return new TestCertificate(der, privateKey);
  }

  /** The claim `cnf` of a token that is bound to this certificate. */
  get confirmation(): TestCertificateConfirmation {
    return { 'x5t#S256': this.thumbprint };
  }
}

// Object identifiers as DER has them: 2.5.4.3, 1.2.840.10045.4.3.2 and 2.5.29.17.
const COMMON_NAME = '550403';
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const SUBJECT_ALT_NAME = '551d11';

/** `localhost` and 127.0.0.1, as names of a server. */
const LOOPBACK = sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1])));

/** A value in DER: tag, length, content (X.690 §8.1). */
function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return tagged(0x30, ...contents);
}

function setOf(...contents: readonly Buffer[]): Buffer {
  return tagged(0x31, ...contents);
}

function oid(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

function utcTime(text: string): Buffer {
  return tagged(0x17, Buffer.from(text));
}

function linesOf(base64: string): string {
  return base64.replace(/.{64}(?=.)/g, '$&\n');
}
