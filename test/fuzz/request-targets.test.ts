import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { resetRecorded } from '../support/expectations.js';
import { startNotesServer, type NotesServer } from '../support/notes-server.js';
import { PLATFORMS } from '../support/platforms.js';
import { sendRaw, type RawResponse } from '../support/raw-http.js';
import { alwaysAsync } from './property.js';

const RESOURCE = 'https://mcp.example.com/mcp';
const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } });
const FIELDS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream'];

/** Bytes that fit in one line. */
const line = fc.string({ unit: 'binary-ascii', maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, ''));
const piece = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/',
      '//',
      '/.',
      '/..',
      'mcp',
      'MCP',
      '%6dcp',
      '%2f',
      '%2e%2e',
      '%',
      '%00',
      '?',
      '#',
      ';',
      '\\',
      '@',
      ':',
      '*',
    ),
  },
  { weight: 1, arbitrary: line },
);
const target = fc.oneof(
  { weight: 1, arbitrary: fc.constant('/mcp') },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          '/mcp',
          '/mcp',
          '/',
          '',
          '//',
          'http://mcp.example.com',
          'https://evil.example',
          'http://[::1',
          '*',
          '/.well-known/oauth-protected-resource',
        ),
        fc.array(piece, { maxLength: 4 }),
      )
      .map(([start, pieces]) => (start + pieces.join('')).replaceAll(' ', '') || '/'),
  },
);
const host = fc.oneof(
  { weight: 2, arbitrary: fc.constant('mcp.example.com') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'MCP.example.com',
      'mcp.example.com:443',
      'mcp.example.com:',
      'evil.example',
      'mcp.example.com.evil.example',
      'mcp.example.com@evil.example',
      'a, mcp.example.com',
      '[::1]',
      '',
      '-',
      'mcp.example.com.',
    ),
  },
  { weight: 1, arbitrary: line },
);
const hosts = fc.oneof(
  { weight: 5, arbitrary: host.map((one) => [one]) },
  { weight: 1, arbitrary: fc.tuple(host, host).map((both) => [...both]) },
);
const methods = fc.oneof(
  { weight: 4, arbitrary: fc.constant('POST') },
  { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'OPTIONS', 'DELETE', 'TRACE') },
);

/** The host that a target in absolute form names, or else the field; undefined if there is none, or several. */
function hostOf(path: string, fields: readonly string[]): string | undefined {
  const absolute = /^https?:\/\/([^/?#\\]*)/i.exec(path)?.[1];
  return absolute ?? (fields.length === 1 ? fields[0] : undefined);
}

describe.each(PLATFORMS)('any request target and Host, on %s', (platform) => {
  let server: NotesServer;
  let token: string;
  beforeAll(async () => {
    server = await startNotesServer(platform, {
      issuer: { alg: 'ES256' },
      options: { resource: RESOURCE, allowedHosts: ['mcp.example.com'] },
    });
    token = await server.mint({ aud: RESOURCE, exp: Math.floor(server.clock.now / 1000) + 80_000 });
  });
  afterAll(() => server.close());

  async function send(method: string, path: string, named: readonly string[], more: string[]): Promise<RawResponse> {
    resetRecorded(server);
    const headers = [...named.map((one) => `Host: ${one}`), ...FIELDS, ...more];
    return sendRaw(server.origin, { method, path, headers, body: CALL });
  }

  it('runs no tool without a token, and is never an error of the server', async () => {
    await alwaysAsync(250, fc.tuple(methods, target, hosts), async ([method, path, named]) => {
      const { status } = await send(method, path, named, []);
      expect(server.ran).toEqual([]);
      // Node or the parser of the platform may close a connection without an answer.
      expect([method, path, named, Number.isNaN(status) || status < 500]).toEqual([method, path, named, true]);
    });
  });

  it('runs a tool with a token only at the host of the resource', async () => {
    let ran = 0;
    await alwaysAsync(250, fc.tuple(target, hosts), async ([path, named]) => {
      const { status } = await send('POST', path, named, [`Authorization: Bearer ${token}`]);
      expect([path, named, Number.isNaN(status) || status < 500]).toEqual([path, named, true]);
      if (server.ran.length === 0) return;
      ran += 1;
      expect([path, named, hostOf(path, named)?.trim()]).toEqual([
        path,
        named,
        expect.stringMatching(/^mcp\.example\.com(?::\d*)?$/i),
      ]);
    });
    expect(ran).toBeGreaterThan(5);
  });
});
