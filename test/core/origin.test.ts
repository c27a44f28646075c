import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { isOriginAllowed, originRules, readAllowedOrigin } from '../../lib/request/origin.js';
import { readResourceIdentifier, type ResourceIdentifier } from '../../lib/core/resource.js';
import { always } from '../fuzz/property.js';

const RESOURCE = readResourceIdentifier('https://mcp.example.com/mcp') as ResourceIdentifier;
const isAllowed = (origin: string, ...allowed: string[]): boolean =>
  isOriginAllowed([origin], originRules(RESOURCE, { allowedOrigins: allowed, allowedHosts: undefined }));

describe('allowedOrigins', () => {
  it.each([
    'https://app.example.com',
    'http://tauri.localhost',
    'https://app.example.com:8443',
    'http://[::1]:3000',
    'http://127.0.0.1',
    'tauri://localhost',
    'app://obsidian.md',
    'capacitor://localhost',
    'ionic://localhost',
    'capacitor-electron://-',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc',
    'safari-web-extension://E1DD5C2B'.toLowerCase(),
    'vscode-file://vscode-app',
    'app://localhost:3000',
    'ms-appx-web://my.app',
    'wails://wails',
  ])('takes %s, and lets exactly that origin in', (origin) => {
    expect(readAllowedOrigin(origin)).toEqual({ origin });
    expect(isAllowed(origin, origin)).toBe(true);
    expect(isAllowed(origin)).toBe(false);
    const others = [
      `${origin}/`,
      `${origin}.evil.test`,
      `x${origin}`,
      origin.toUpperCase(),
      origin.replace('://', ':'),
      origin.replace('://', '://x.'),
      `${origin}:1`,
      `${origin} `,
    ];
    expect(others.filter((other) => isAllowed(other, origin))).toEqual([]);
  });

  it.each(['vscode-webview:', 'vscode-webview://*'])(
    'takes the scheme alone of hosts that are fresh each time, as %s',
    (scheme) => {
      expect(readAllowedOrigin(scheme)).toEqual({ scheme: 'vscode-webview' });
      for (const host of ['1qcmnq7j6gfk0v5s', '0d2e-4f', 'x'])
        expect(isAllowed(`vscode-webview://${host}`, scheme)).toBe(true);
      const others = [
        'vscode-webview://',
        'vscode-webview:',
        'vscode-webview://x/',
        'vscode-webview://x/y',
        'vscode-webview://u@x',
        'vscode-webviewx://x',
        'xvscode-webview://x',
        'https://vscode-webview',
        'vscode-webview://a b',
        'vscode-webview://*',
        'null',
        '',
      ];
      expect(others.filter((other) => isAllowed(other, scheme))).toEqual([]);
    },
  );

  it.each([
    '',
    '*',
    'null',
    'app.example.com',
    'localhost',
    'localhost:3000',
    '//app.example.com',
    'https://',
    'tauri://',
    '://x',
    'https://app.example.com/',
    'https://app.example.com/x',
    'tauri://localhost/',
    'tauri://localhost/x',
    'https://app.example.com?x',
    'tauri://localhost#x',
    'https://user@app.example.com',
    'tauri://user@localhost',
    'https://user:pw@app.example.com',
    'https://*',
    'https://*.example.com',
    'http://*',
    'tauri://*.localhost',
    'app://*.md',
    'chrome-extension://*x',
    'https:',
    'http:',
    'ws:',
    'wss:',
    'ftp:',
    'file:',
    'file://',
    'file://*',
    'data:',
    'data:text/html,x',
    'blob:https://app.example.com',
    'about:blank',
    'javascript:',
    'HTTPS://app.example.com',
    'https://APP.example.com',
    'Tauri://localhost',
    'tauri://LOCALHOST',
    'https://münchen.example',
    'https://app.example.com:443',
    'http://app.example.com:80',
    'tauri://localhost:',
    'tauri://localhost:0',
    'tauri://localhost:099',
    'tauri://localhost:123456',
    ' tauri://localhost',
    'tauri://localhost\n',
    'tauri://a b',
    'tauri://a,b',
    'https://a.example,https://b.example',
    'tauri:localhost',
    'vscode-webview',
    '1x://host',
    'https://0x7f.1',
    'http://[::g]',
  ])('refuses %j, which no browser or web view sends', (origin) => {
    expect(readAllowedOrigin(origin)).toBeUndefined();
    expect(isAllowed(origin, origin)).toBe(false);
  });

  it('lets in, of any origins, those that were listed and no others', () => {
    const scheme = fc.constantFrom(
      'https',
      'http',
      'tauri',
      'app',
      'vscode-webview',
      'chrome-extension',
      'file',
      'null',
      'x+y.z-1',
    );
    const host = fc.constantFrom(
      'localhost',
      'app.example.com',
      'abc',
      '[::1]',
      '127.0.0.1',
      '*',
      '',
      'A.example',
      'u@h',
      'h/',
      'h?q',
    );
    const origin = fc
      .tuple(scheme, host, fc.constantFrom('', ':', ':1', ':80', ':443', ':65535', '/'))
      .map(([s, h, p]) => `${s}://${h}${p}`);
    const entry = fc.oneof(
      origin,
      scheme.map((one) => `${one}:`),
      fc.string(),
    );
    // Of so many, hardly one is listed by chance.
    const cases = fc
      .array(entry, { maxLength: 3 })
      .chain((allowed) => fc.tuple(fc.constant(allowed), fc.oneof(origin, entry, fc.constantFrom('null', ...allowed))));
    const seen = { allowed: 0, listed: 0 };
    always(4_000, cases, ([allowed, sent]) => {
      const isListed =
        allowed.includes(sent) && /^[a-z][^:]*:\/\/[^/?#@*]+$/.test(sent) && readAllowedOrigin(sent) !== undefined;
      const [, sentScheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@*]+)$/.exec(sent) ?? [];
      const isOfScheme =
        sentScheme !== undefined &&
        rest !== undefined &&
        !/^(?:https?|file|null)$/.test(sentScheme) &&
        allowed.includes(`${sentScheme}:`);
      if (isAllowed(sent, ...allowed)) {
        seen.allowed += 1;
        expect([sent, isListed || isOfScheme]).toEqual([sent, true]);
      }
      if (isListed) {
        seen.listed += 1;
        expect([sent, isAllowed(sent, ...allowed)]).toEqual([sent, true]);
      }
    });
    // Neither assertion goes untested.
    expect(Math.min(seen.allowed, seen.listed)).toBeGreaterThan(20);
  });
});
