import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { STYLE } from './page-style.js';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/**
 * The headers of every page: no script, no frame, nothing loaded from anywhere.
 *
 * @param formTarget the redirect URI of the client. Chromium applies `form-action` to the redirects after a form too, so
 * the answer to "Allow" would be blocked without it.
 */
export function pageHeaders(formTarget?: string): Record<string, string> {
  const formAction = formTarget === undefined ? `'self'` : `'self' ${cspSource(formTarget)}`;
  const policy = [
    `default-src 'none'`,
    `style-src 'sha256-${STYLE_HASH}'`,
    'img-src data:',
    `form-action ${formAction}`,
    `frame-ancestors 'none'`,
    `base-uri 'none'`,
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
    // Not `no-referrer`: that would also make browsers send `Origin: null` with our own forms.
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  };
}

/** An origin, or only the scheme where the CSP grammar has no way to write the host: IPv6 addresses and apps' own schemes. */
function cspSource(redirectUri: string): string {
  const { protocol, origin, hostname } = new URL(redirectUri);
  return origin === 'null' || hostname.startsWith('[') ? protocol : origin;
}

export function sendPage(response: ServerResponse, status: number, page: string, formTarget?: string): void {
  response.writeHead(status, pageHeaders(formTarget)).end(page);
}
