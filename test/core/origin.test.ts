import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  areHostsAllowed,
  isAllowedHost,
  isOriginAllowed,
  originRules,
  readAllowedOrigin,
  type OriginRules,
} from '../../lib/request/origin.js';
import { readResourceIdentifier, type ResourceIdentifier } from '../../lib/core/resource.js';
import { always } from '../fuzz/property.js';

const RESOURCE = readResourceIdentifier('https://mcp.example.com/mcp') as ResourceIdentifier;
const isAllowed = (origin: string, ...allowed: string[]): boolean =>
  isOriginAllowed([origin], originRules(RESOURCE, { allowedOrigins: allowed, allowedHosts: undefined }));

describe('the origins of a request', () => {
  const rules = (value: string, allowedHosts?: readonly string[]): OriginRules =>
    originRules(readResourceIdentifier(value) as ResourceIdentifier, {
      allowedOrigins: ['https://app.example.com', 'vscode-webview:'],
      allowedHosts,
    });

  it('are those of the resource and of the options', () => {
    expect(rules('https://mcp.example.com:8443/mcp')).toEqual({
      allowed: new Set(['https://mcp.example.com:8443', 'https://app.example.com']),
      schemes: new Set(['vscode-webview']),
      ownHost: 'mcp.example.com:8443',
      hosts: new Set(['mcp.example.com']),
      onlyListedHosts: false,
      allowLoopback: false,
    });
    expect(rules('http://localhost:3000', ['a.example'])).toMatchObject({
      hosts: new Set(['localhost', 'a.example']),
      onlyListedHosts: true,
      allowLoopback: true,
    });
  });

  it.each<[string[], boolean, boolean]>([
    [[], true, true],
    [['https://app.example.com'], true, true],
    [['https://app.example.com', 'https://app.example.com'], false, false],
    [['https://other.example.com'], false, false],
    [['vscode-webview://abc'], true, true],
    [['other-webview://abc'], false, false],
    [['http://localhost:9999'], false, true],
    [['ftp://localhost:9999'], false, false],
    [['http://localhost:9999/'], false, false],
    [['HTTP://localhost'], false, false],
    [['http://127.1'], false, false],
    [['xhttp://localhost'], false, false],
    [['null'], false, false],
  ])('%j may use a public resource: %s, and one on loopback: %s', (values, isPublic, isLocal) => {
    expect(isOriginAllowed(values, rules('https://mcp.example.com/mcp'))).toBe(isPublic);
    expect(isOriginAllowed(values, rules('http://localhost:3000/mcp'))).toBe(isLocal);
  });

  it.each<[string[], boolean, boolean, boolean]>([
    [[], true, false, false],
    [['mcp.example.com'], true, true, false],
    [['MCP.example.com:1'], true, true, false],
    [['a.example:1'], false, true, false],
    [['mcp.example.com', 'evil.example'], false, false, false],
    [['service'], true, false, false],
    [['service.internal'], true, false, false],
    [['10.0.0.1:80'], true, false, false],
    [['[fd00::1]'], true, false, false],
    [['[::ffff:1.2.3.4]'], true, false, false],
    [['evil.example'], false, false, false],
    [['internal.evil'], false, false, false],
    [['localhost', 'evil.example'], false, false, false],
    [['localhost:8080.evil.example'], false, false, false],
    [['localhost:08'], true, false, true],
    [['user@localhost'], false, false, false],
    [['127.1'], false, false, false],
    [['localhost:80'], true, false, true],
    [['LOCALHOST'], true, false, true],
    [['127.0.0.1:3'], true, false, true],
    [['a b'], false, false, false],
  ])(
    'the hosts %j are those of a public resource: %s, of one that lists hosts: %s, of one on loopback: %s',
    (hosts, ...allowed) => {
      const resources = [
        rules('https://mcp.example.com/mcp'),
        rules('https://mcp.example.com/mcp', ['a.example']),
        rules('http://localhost:3000/mcp'),
      ];
      expect(resources.map((one) => areHostsAllowed(hosts, one))).toEqual(allowed);
    },
  );
});

it.each<[string, boolean]>([
  ['localhost', true],
  ['LocalHost:80', true],
  ['localhost:8080', true],
  ['127.1.2.3', true],
  ['[::1]:80', true],
  ['localhost:80.evil.example', false],
  ['localhost.', false],
])('the host %s is one of loopback, which a resource there accepts: %s', (host, isAccepted) => {
  const resource = readResourceIdentifier('http://127.0.0.1:3000/mcp') as ResourceIdentifier;
  const rules = originRules(resource, { allowedOrigins: [], allowedHosts: undefined });
  expect(areHostsAllowed([host], rules)).toBe(isAccepted);
});

it.each<[string, boolean]>([
  ['a.example', true],
  ['a_b.example-1', true],
  ['a.example:8443', true],
  ['a.example:80', true],
  ['a.example:8080', true],
  ['a', true],
  ['10.0.0.1', true],
  ['[fd00::1]:1', true],
  ['[::]', true],
  ['A.example', false],
  ['a.example:0', false],
  ['a.example:', false],
  ['a.example:123456', false],
  ['a.example:99999', false],
  ['a.example:1x', false],
  ['https://a.example', false],
  ['a.example/', false],
  ['xa.example ', false],
  [' a.example', false],
  ['*.example', false],
  ['[fd00::1', false],
  ['[::1::]', false],
  ['[]', false],
  ['x[::1]', false],
  ['127.1', false],
  ['0x7f.0.0.1', false],
  ['256.0.0.1', false],
  ['bücher.example', false],
  ['a@b.example', false],
  ['', false],
])('%j is an entry of allowedHosts: %s', (text, isOne) => {
  expect(isAllowedHost(text)).toBe(isOne);
});

it('a listed host with a port is accepted with that port only, in any case', () => {
  const rules = originRules(RESOURCE, { allowedOrigins: [], allowedHosts: ['b.example:1'] });
  expect(areHostsAllowed(['B.example:1'], rules)).toBe(true);
  expect(areHostsAllowed(['b.example:2'], rules)).toBe(false);
});

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
    'http://[:::]',
    'https://256.0.0.1',
    'https://a.example:99999',
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
