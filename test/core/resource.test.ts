import { describe, expect, it } from '@jest/globals';
import {
  isLoopback,
  isSecureOrLocal,
  metadataPath,
  metadataPathBelow,
  metadataUrl,
  parseUrl,
  readResourceIdentifier,
  type ResourceIdentifier,
} from '../../lib/core/resource.js';

function usable(value: string): ResourceIdentifier {
  const read = readResourceIdentifier(value);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}

describe('readResourceIdentifier', () => {
  it.each([
    ['https://mcp.example.com', 'https://mcp.example.com', ''],
    ['https://mcp.example.com/', 'https://mcp.example.com', '/'],
    ['https://mcp.example.com/mcp', 'https://mcp.example.com', '/mcp'],
    ['https://mcp.example.com/mcp/', 'https://mcp.example.com', '/mcp/'],
    ['https://mcp.example.com/a/b%20c', 'https://mcp.example.com', '/a/b%20c'],
    ['https://mcp.example.com/a//b', 'https://mcp.example.com', '/a//b'],
    ['https://mcp.example.com:8443/mcp', 'https://mcp.example.com:8443', '/mcp'],
    ['http://localhost:3000/mcp', 'http://localhost:3000', '/mcp'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000', ''],
    ['https://[2001:db8::1]/mcp', 'https://[2001:db8::1]', '/mcp'],
    ['https://xn--bcher-kva.example/mcp', 'https://xn--bcher-kva.example', '/mcp'],
  ])('keeps %s as it is', (value, origin, path) => {
    expect(readResourceIdentifier(value)).toEqual({ value, origin, path });
  });

  it.each([
    ['HTTPS://MCP.Example.com/Mcp', 'https://mcp.example.com/Mcp'],
    ['https://MCP.example.com', 'https://mcp.example.com'],
  ])('puts scheme and host of %s in lower case, and nothing else', (value, identifier) => {
    expect(usable(value).value).toBe(identifier);
  });

  it.each([
    ['', 'must be an absolute URL'],
    ['mcp.example.com', 'must be an absolute URL'],
    ['/mcp', 'must be an absolute URL'],
    ['//mcp.example.com/mcp', 'must be an absolute URL'],
    ['https:mcp.example.com', 'must be an absolute URL'],
    ['https://', 'must be an absolute URL'],
    [' https://mcp.example.com', 'must be an absolute URL'],
    ['urn:mcp:notes', 'must be an absolute URL'],
    ['ftp://mcp.example.com/', 'neither https nor http'],
    ['xhttps://mcp.example.com/', 'neither https nor http'],
    ['httpsx://mcp.example.com/', 'neither https nor http'],
    ['ws://mcp.example.com/', 'neither https nor http'],
    ['file:///mcp', 'neither https nor http'],
    ['https://mcp.example.com/mcp#', 'no fragment'],
    ['https://mcp.example.com/mcp#a', 'no fragment'],
    ['https://mcp.example.com/mcp?tenant=a#b', 'no fragment'],
    ['https://mcp.example.com/mcp?', 'a query'],
    ['https://mcp.example.com/mcp?tenant=a', 'a query'],
    ['https://user@mcp.example.com/mcp', 'user name or password'],
    ['https://user:secret@mcp.example.com/mcp', 'user name or password'],
    ['https://@mcp.example.com/mcp', 'user name or password'],
    ['https://mcp.example.com:443/mcp', 'write "https://mcp.example.com/mcp"'],
    ['http://localhost:80/mcp', 'write "http://localhost/mcp"'],
    ['https://mcp.example.com/a/../mcp', 'write "https://mcp.example.com/mcp"'],
    ['https://mcp.example.com/./mcp', 'write "https://mcp.example.com/mcp"'],
    ['https://mcp.example.com/a b', 'write "https://mcp.example.com/a%20b"'],
    ['https://mcp.example.com/é', 'write "https://mcp.example.com/%C3%A9"'],
    ['https://bücher.example/', 'write "https://xn--bcher-kva.example/"'],
    ['https://mcp.example.com\\mcp', 'write "https://mcp.example.com/mcp"'],
    ['https://mcp.example.com/mcp\n', 'write "https://mcp.example.com/mcp"'],
    ['https://mcp.example.com/m\tcp', 'write "https://mcp.example.com/mcp"'],
    ['https://127.1/mcp', 'write "https://127.0.0.1/mcp"'],
  ])('refuses %j and says why', (value, problem) => {
    expect(readResourceIdentifier(value)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('never repeats a password in what it says', () => {
    expect(JSON.stringify(readResourceIdentifier('https://user:secret@mcp.example.com:443/a b'))).not.toContain(
      'secret',
    );
  });
});

describe('parseUrl', () => {
  it('gives undefined for what is must be an absolute URL', () => {
    expect(['', 'x', '/x', 'https://', 'https://a b/'].map(parseUrl)).toEqual(Array.from({ length: 5 }));
    expect(parseUrl('https://mcp.example.com/x')?.pathname).toBe('/x');
  });

  // On Node 20 and 22 `URL.canParse` changes its mind after some thousand calls.
  it('says the same of a host beyond ASCII, however often it is asked', () => {
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 50_000; i++) seen.add(parseUrl('https://bücher.example/')?.hostname);
    expect([...seen]).toEqual(['xn--bcher-kva.example']);
  });
});

describe('metadataUrl', () => {
  it.each([
    ['https://mcp.example.com', '/.well-known/oauth-protected-resource'],
    ['https://mcp.example.com/', '/.well-known/oauth-protected-resource'],
    ['https://mcp.example.com/mcp', '/.well-known/oauth-protected-resource/mcp'],
    ['https://mcp.example.com/mcp/', '/.well-known/oauth-protected-resource/mcp/'],
    ['https://mcp.example.com/a/b', '/.well-known/oauth-protected-resource/a/b'],
  ])('of %s has the well-known suffix between host and path', (value, path) => {
    expect(metadataPath(usable(value))).toBe(path);
    expect(metadataUrl(usable(value))).toBe(`https://mcp.example.com${path}`);
  });

  it('keeps the port', () => {
    const url = metadataUrl(usable('http://localhost:3000/mcp'));
    expect(url).toBe('http://localhost:3000/.well-known/oauth-protected-resource/mcp');
  });
});

it.each([
  ['/.well-known/oauth-protected-resource/mcp', '/mcp'],
  ['/.well-known/oauth-protected-resource/', '/'],
  ['/.well-known/oauth-protected-resource', undefined],
  ['/.well-known/oauth-protected-resources/mcp', undefined],
  ['/mcp/.well-known/oauth-protected-resource/', undefined],
  ['/mcp', undefined],
])('%s is the path of the metadata of %s', (path, resource) => {
  expect(metadataPathBelow(path)).toBe(resource);
});

it.each([
  ['https://a.example', true],
  ['https://127.0.0.1', true],
  ['http://127.0.0.1:3000', true],
  ['http://a.example', false],
  ['ws://127.0.0.1', false],
  ['ftp://localhost', false],
])('%s is secure, or on this machine: %s', (url, isIt) => {
  expect(isSecureOrLocal(new URL(url))).toBe(isIt);
});

describe('isLoopback', () => {
  it.each([
    'http://localhost',
    'http://LOCALHOST:3000',
    'http://127.0.0.1',
    'http://127.1',
    'http://127.255.0.9:1',
    'http://[::1]:3000',
    'http://2130706433',
    'http://0x7f000001',
    'http://0177.0.0.1',
    'http://127.0.1',
    'http://[0:0:0:0:0:0:0:1]',
  ])('holds for %s', (url) => {
    expect(isLoopback(new URL(url))).toBe(true);
  });

  it.each([
    'http://localhost.example.com',
    'http://example.localhost.com',
    'http://127.0.0.1.example.com',
    'http://128.0.0.1',
    'http://10.0.0.1',
    'http://0.0.0.0',
    'http://[::]',
    'http://[::2]',
    'http://169.254.169.254',
    'http://notlocalhost',
    'http://localhost.',
    'http://a.localhost',
    'http://[::ffff:127.0.0.1]',
    'http://[::127.0.0.1]',
    'http://0',
    'http://user@example.com',
  ])('does not hold for %s', (url) => {
    expect(isLoopback(new URL(url))).toBe(false);
  });
});
