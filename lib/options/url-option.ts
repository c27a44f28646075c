import { isLoopback, parseUrl } from '../core/resource.js';
import type { OptionReader } from './option-reader.js';

/** An absolute URL, https or http on loopback; empty if the value is not an absolute URL. */
export function readUrl(option: OptionReader): string {
  const { value } = option;
  if (typeof value !== 'string' || !parseUrl(value)) {
    option.refuse({ why: 'must be an absolute URL', write: 'Write a URL such as "https://login.example.com/keys"' });
    return '';
  }
  requireSecureUrl(option, value);
  return value;
}

/** Refuses a URL with credentials, and one that is neither https nor an accepted http URL. */
export function requireSecureUrl(option: OptionReader, value: string): void {
  const url = new URL(value);
  if (url.username || url.password) {
    option.refuse({ why: 'it holds a user name or password', write: 'Remove the part before the @' });
  } else if (url.protocol === 'http:') {
    if (!isLoopback(url)) requirePlainHttpAllowed(option, value);
  } else if (url.protocol !== 'https:') {
    option.refuse({ why: 'its scheme is not https', write: 'Write an https URL' });
  }
}

function requirePlainHttpAllowed(option: OptionReader, value: string): void {
  if (option.allowsInsecureHttp) {
    option.warn(`"${value}" is plain http: tokens and keys can be read and changed on the way`);
    return;
  }
  const why = 'plain http is accepted on loopback only (OAuth 2.1 §1.5)';
  const write =
    'Write an https URL; or, in a private network such as that of Docker Compose, set allowInsecureHttp: true';
  option.refuse({ why, write });
}
