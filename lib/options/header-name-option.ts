import { isMcpField } from '../request/mcp-fields.js';
import type { OptionReader } from './option-reader.js';

/** Proxies drop or rewrite names with underscores. */
const HEADER_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Fields with a meaning of their own: of HTTP (RFC 9110, hop-by-hop fields of §7.6.1), of browsers, of proxies and of objects. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set(
  [
    'authorization cookie set-cookie host origin referer user-agent from dpop www-authenticate authentication-info',
    'connection keep-alive te trailer transfer-encoding upgrade via expect date range vary etag constructor',
    'forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip',
  ].flatMap((names) => names.split(' ')),
);

const RESERVED_PREFIXES = ['mcp-', 'sec-', 'proxy-', 'content-', 'accept', 'access-control-', 'if-', 'cache-'];

/**
 * The name of a header field that has no meaning of its own; undefined after a problem.
 *
 * @param writeName the advice if the name is missing
 * @param write the advice if the name cannot be used
 */
export function readHeaderName(option: OptionReader, writeName: string, write = writeName): string | undefined {
  const name = option.requiredText(writeName);
  if (name === '') return undefined;
  if (!HEADER_NAME.test(name) || name.length > 64) {
    option.refuse({ why: 'must be at most 64 lower case letters, digits and single hyphens', write });
  } else if (
    RESERVED_HEADERS.has(name) ||
    isMcpField(name) ||
    RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix))
  ) {
    option.refuse({ why: 'this header field has a meaning of its own', write });
  } else {
    return name;
  }
  return undefined;
}
