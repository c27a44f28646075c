import { withPart } from '../support/tokens.js';
import { attack, type Attack } from './attack.js';
import { goodHeader, type Lab } from './lab.js';

// Other spellings of the three parts: RFC 7515 §2 (base64url without padding, white space or line breaks), RFC 4648 §3.5.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

type Spelling = (part: string) => string;

/** That `Buffer.from(…, 'base64url')` takes for the very same bytes. */
const SAME_BYTES: Readonly<Record<string, Spelling>> = {
  'the alphabet of base64': (part) => part.replaceAll('-', '+').replaceAll('_', '/'),
  'a plus for each minus': (part) => part.replaceAll('-', '+'),
  'a slash for each underscore': (part) => part.replaceAll('_', '/'),
  'a tilde in front': (part) => `~${part}`,
  'a tilde within': (part) => `${part.slice(0, 5)}~${part.slice(5)}`,
  'a tilde behind': (part) => `${part}~`,
  'many tildes': (part) => [...part].join('~'),
  'the lowest unused bit set': (part) => withUnusedBits(part, 1),
  'all unused bits set': (part) => withUnusedBits(part, part.length % 4 === 2 ? 0b1111 : 0b11),
};

/** That are no base64url of anything, or of no JSON. */
const BROKEN: Readonly<Record<string, Spelling>> = {
  'three characters too many': (part) => `${part}AAA`,
  'every letter of the other case': (part) =>
    part.replaceAll(/[a-z]/gi, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())),
};

/** That are base64url of other bytes, from which the right ones would follow. */
const ENCODED_TWICE: Readonly<Record<string, Spelling>> = {
  hexadecimal: (part) => Buffer.from(part, 'base64url').toString('hex'),
  'base64url twice': (part) => Buffer.from(part).toString('base64url'),
  'UTF-16 of it': (part) => Buffer.from(Buffer.from(part, 'base64url').toString(), 'utf16le').toString('base64url'),
  'the bytes in quotes': (part) =>
    Buffer.from(JSON.stringify(Buffer.from(part, 'base64url').toString())).toString('base64url'),
};

const PADDINGS: Readonly<Record<string, Spelling>> = {
  'one padding character': (part) => `${part}=`,
  'two padding characters': (part) => `${part}==`,
  'the padding of base64': (part) => part.padEnd(Math.ceil(part.length / 4) * 4, '='),
  'three padding characters': (part) => `${part}===`,
};

const PARTS = ['header', 'payload', 'signature'] as const;

/** Sets bits of the last character that belong to no byte. */
function withUnusedBits(part: string, bits: number): string {
  return part.slice(0, -1) + ALPHABET[ALPHABET.indexOf(part.at(-1) as string) | bits];
}

/**
 * A token of which every part can be spelt in other ways: it has both characters in which the alphabets differ, and
 * bits that belong to no byte.
 */
async function respellable(lab: Lab, index: number): Promise<string> {
  for (let length = 0; ; length++) {
    const filler = `>>>???${'x'.repeat(length % 3)}`;
    const token = await lab.server.mint({ filler }, { rawHeader: JSON.stringify({ filler, ...goodHeader(lab) }) });
    const part = token.split('.')[index] as string;
    if (part.includes('-') && part.includes('_') && part.length % 4 !== 0) return token;
  }
}

function spellings(table: Readonly<Record<string, Spelling>>, index: 0 | 1 | 2, reason: Attack['reason']): Attack[] {
  return Object.entries(table).map(([name, spell]) =>
    attack(`the ${PARTS[index]} spelt otherwise: ${name}`, reason, async (lab) => {
      const token = await respellable(lab, index);
      const respelt = withPart(token, index, spell);
      if (respelt === token) throw new Error(`"${name}" changes nothing`);
      return respelt;
    }),
  );
}

export const ENCODING: readonly Attack[] = ([0, 1, 2] as const).flatMap((index) => [
  ...spellings(SAME_BYTES, index, 'token_malformed'),
  ...spellings(BROKEN, index, 'token_malformed'),
  ...spellings(ENCODED_TWICE, index, index === 2 ? 'signature_invalid' : 'token_malformed'),
  ...spellings(PADDINGS, index, index === 2 ? 'token_malformed' : 'malformed_credentials'),
]);
