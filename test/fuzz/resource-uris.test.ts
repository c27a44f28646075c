import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UriTemplate } from '@modelcontextprotocol/server';
import * as fc from 'fast-check';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { resourceHosts, type Resources } from '../support/resources-server.js';
import { bearer, rpcTo } from '../support/rpc.js';
import { alwaysAsync } from './property.js';

// A resource that is read by another spelling of its URI needs what it needs by its own.

/** What each resource needs; the options say so, since nothing here is decorated. */
const NEEDED: Readonly<Record<string, string>> = {
  'notes://secret': 'fixed',
  'https://h.example/a/secret': 'web',
  'file:///etc/note': 'file',
  'mem:opaque': 'opaque',
  'notes://by-id/{id}': 'by-id',
  'https://h.example/u/{user}/{path*}': 'files',
  'cal://{year}-{month}-{day}': 'date',
  'notes://search{?q}': 'search',
};
const RESOURCES: Resources = {
  fixed: Object.keys(NEEDED).filter((name) => !name.includes('{')),
  templates: Object.keys(NEEDED).filter((name) => name.includes('{')),
};
const SAMPLES: Readonly<Record<string, string>> = {
  'notes://by-id/7': 'by-id',
  'https://h.example/u/bob/a': 'files',
  'cal://2026-11-30': 'date',
  'notes://search?q=x': 'search',
  'notes://secret': 'fixed',
  'https://h.example/a/secret': 'web',
  'file:///etc/note': 'file',
  'mem:opaque': 'opaque',
};

/** The URIs in other spellings, and in ones that are none. */
type Change = (uri: string) => string;
const INSERTED = [
  '\t',
  '\n',
  '\r',
  '\r\n',
  ' ',
  '\0',
  '\u0001',
  '\\',
  '/',
  '//',
  '?',
  '#',
  '@',
  ':',
  '.',
  '%',
  '%00',
  '%2f',
  '/./',
  '/../',
  'x/../',
  '/%2e/',
  '%2e%2e/',
  ':443',
  ':80',
  ':',
  'u@',
  'u:p@',
  '://',
  'x://',
  '?x=1',
  '#x',
  '\u00ad',
  '\u200b',
  '。',
  'ſ',
  'İ',
  '𝓈',
  '\ud800',
];
const insertion = fc.tuple(fc.nat(60), fc.constantFrom(...INSERTED)).map(
  ([at, text]): Change =>
    (uri) =>
      uri.slice(0, at % (uri.length + 1)) + text + uri.slice(at % (uri.length + 1)),
);
const rewriting = fc
  .tuple(fc.nat(60), fc.constantFrom('percent', 'Percent', 'upper', 'wide', 'gone', 'twice'))
  .map(([place, how]): Change => (uri) => {
    const at = place % Math.max(uri.length, 1);
    return uri.slice(0, at) + changed(uri.charAt(at), how) + uri.slice(at + 1);
  });
const whole = fc.constantFrom<Change>(
  (uri) => uri.toUpperCase(),
  (uri) => ` ${uri} `,
  (uri) => `${uri}\r\n`,
  (uri) => `${uri}/`,
  (uri) => `\u0001${uri}`,
  (uri) => uri.replaceAll('/', '\\'),
  (uri) => uri.replace('://', ':'),
  (uri) => uri.replace('://', ':/'),
  (uri) => uri.replace('://', ':///'),
  (uri) => uri.replace(/^[a-z]+:/, ''),
  (uri) => uri.replace(/^[a-z]+:\/\//, ''),
  (uri) => uri.replace(/^[a-z]+:/, 'other:'),
  (uri) => uri.replace('h.example', 'h.example:443'),
  (uri) => uri.replace('h.example', 'user@h.example'),
  (uri) => uri.replace('h.example', 'ｈ.example'),
  (uri) => uri.replace('h.example', '%68.example'),
  (uri) => `${uri}${'A'.repeat(2_100)}`,
  (uri) => `${uri}://${'A'.repeat(2_100)}`,
  (uri) => `${uri}?${'A'.repeat(5_000)}`,
  (uri) => uri.replace('://', `://${'x/../'.repeat(600)}`),
);
const uris = fc
  .tuple(
    fc.constantFrom(...Object.keys(SAMPLES)),
    fc.array(fc.oneof(insertion, rewriting, whole), { minLength: 0, maxLength: 3 }),
  )
  .map(([uri, changes]) => changes.reduce((text, change) => change(text), uri));
const paths = fc.constantFrom('mcp', 'sdk1', 'sdk2');
const granted = fc.constantFrom('none', ...Object.values(NEEDED));

function changed(character: string, how: string): string {
  const code = character.charCodeAt(0);
  if (how === 'percent') return `%${code.toString(16).padStart(2, '0')}`;
  if (how === 'Percent') return `%${code.toString(16).padStart(2, '0').toUpperCase()}`;
  if (how === 'upper') return character.toUpperCase();
  if (how === 'wide') return code > 32 && code < 127 ? String.fromCharCode(code + 0xfee0) : character;
  return how === 'gone' ? '' : character + character;
}

/** What a subscription to this URI needs, for an application that looks for the URI as it is or in normal form. */
function neededToSubscribe(uri: string): string[] {
  const readings = [uri, ...(URL.canParse(uri) ? [new URL(uri).href] : [])];
  return Object.entries(NEEDED).flatMap(([name, scope]) => {
    const isMeant = readings.some((one) => (name.includes('{') ? new UriTemplate(name).match(one) : one === name));
    return isMeant ? [scope] : [];
  });
}

describe.each(PLATFORMS)('LIB-16: a URI in any spelling, on %s', (platform) => {
  let server: NotesServer;
  const tokens = new Map<string, string>();
  beforeAll(async () => {
    const ran = (): string[] => server.ran;
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: {
        scopes: {
          operations: { resources: Object.fromEntries(Object.entries(NEEDED).map(([name, scope]) => [name, [scope]])) },
        },
      },
      controllers: resourceHosts(RESOURCES, ran),
    });
    for (const scope of ['none', ...Object.values(NEEDED), Object.values(NEEDED).join(' ')])
      tokens.set(scope, await server.mint({ scope }));
  });
  afterAll(() => server.close());

  async function send(
    path: string,
    method: string,
    uri: string,
    scope: string,
  ): Promise<{ status: number; text: string }> {
    resetRecorded(server);
    const response = await rpcTo(`${server.origin}/${path}`)(method, { uri }, bearer(tokens.get(scope)));
    return { status: response.status, text: await response.text() };
  }

  it('is read by nobody without the scope of what it is', async () => {
    const read = new Set<string>();
    await alwaysAsync(700, fc.tuple(paths, uris, granted), async ([path, uri, scope]) => {
      const { status } = await send(path, 'resources/read', uri, scope);
      expect(status).toBeLessThan(500);
      expect(server.ran.filter((name) => NEEDED[name] !== scope)).toEqual([]);
      for (const name of server.ran) read.add(`${path} ${name}`);
    });
    // With the scope, and in some spelling, things were read.
    expect(read.size).toBeGreaterThan(5);
  });

  it('is subscribed to by nobody without the scope of what it is', async () => {
    let taken = 0;
    await alwaysAsync(
      300,
      fc.tuple(fc.constantFrom('resources/subscribe', 'resources/unsubscribe'), uris, granted),
      async ([method, uri, scope]) => {
        const { status } = await send('sdk1', method, uri, scope);
        expect(status).toBeLessThan(500);
        if (server.ran.length === 0) return;
        taken += 1;
        expect(neededToSubscribe(uri).filter((needed) => needed !== scope)).toEqual([]);
      },
    );
    // With the scope, and in some spelling, things were subscribed to.
    expect(taken).toBeGreaterThan(40);
  });

  it.each(Object.entries(SAMPLES))('%s is read with its scope alone, from every framework', async (uri, scope) => {
    for (const path of ['mcp', 'sdk1', 'sdk2']) {
      const { status, text } = await send(path, 'resources/read', uri, scope);
      expect({ path, status, text }).toMatchObject({ status: 200, text: expect.stringContaining('"read"') });
      expect(server.ran).toHaveLength(1);
      expect((await send(path, 'resources/read', uri, 'none')).status).toBe(403);
      expect(server.ran).toEqual([]);
    }
  });

  it.each([
    ['too long', `notes://elsewhere/${'A'.repeat(2_100)}`],
    ['no URI', 'not a uri'],
    ['empty', ''],
  ])('that is %s needs the most', async (_what, uri) => {
    const all = Object.values(NEEDED).join(' ');
    for (const path of ['mcp', 'sdk1', 'sdk2']) {
      for (const scope of ['none', 'fixed', 'by-id'])
        expect((await send(path, 'resources/read', uri, scope)).status).toBe(403);
      expect((await send(path, 'resources/read', uri, all)).status).not.toBe(403);
    }
    expect((await send('sdk1', 'resources/subscribe', uri, 'by-id')).status).toBe(403);
  });
});
