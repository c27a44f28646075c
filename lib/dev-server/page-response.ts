import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { STYLE } from './page-style.js';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/**
 * The headers of every page: no script, no frame, nothing loaded from anywhere.
 *
 * @param formTarget the redirect URI of the client. Chromium also applies `form-action` to the redirects after a form, so
 * without it the browser would block the answer to "Allow".
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
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms, too.
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  };
}

/** The origin of a redirect URI; only the scheme if the CSP grammar cannot express the host (IPv6, private-use schemes). */
function cspSource(redirectUri: string): string {
  const { protocol, origin, hostname } = new URL(redirectUri);
  return origin === 'null' || hostname.startsWith('[') ? protocol : origin;
}

export function sendPage(response: ServerResponse, status: number, page: string, formTarget?: string): void {
  response.writeHead(status, pageHeaders(formTarget)).end(page);
}
