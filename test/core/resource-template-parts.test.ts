import { describe, expect, it } from '@jest/globals';
import {
  expandText,
  isTemplate,
  isVariableValue,
  matchAuthority,
  matchIdentifier,
  matchPath,
  namesIn,
  readResourceTemplate,
  resemblesPath,
} from '../../lib/core/resource-template.js';
import { readTemplate } from '../support/read-template.js';

describe('a template', () => {
  it('is read into its parts, with scheme and host in lower case and names as they are', () => {
    expect(readResourceTemplate('HTTPS://{theTenant}.Example.com:8443/Orgs/{org_1}/mcp')).toEqual({
      value: 'https://{theTenant}.example.com:8443/Orgs/{org_1}/mcp',
      names: ['theTenant', 'org_1'],
      scheme: 'https',
      labels: [{ variable: 'theTenant' }, 'example', 'com'],
      port: '8443',
      segments: ['Orgs', { variable: 'org_1' }, 'mcp'],
      hasHostVariables: true,
      hasPathVariables: true,
    });
    expect(readResourceTemplate('http://{a}.example')).toMatchObject({
      value: 'http://{a}.example',
      port: '',
      segments: [],
      hasHostVariables: true,
      hasPathVariables: false,
    });
    expect(readResourceTemplate('https://a.example/{b}/')).toMatchObject({
      value: 'https://a.example/{b}/',
      segments: [{ variable: 'b' }, ''],
      hasHostVariables: false,
      hasPathVariables: true,
    });
  });

  const WHOLE = 'a variable stands for one whole label of the host, or one whole segment of the path';
  const NAME = 'the name of a variable is a letter, and then letters, digits or "_", at most 64 in all';
  it.each<[string, string]>([
    ['{a}.example/mcp', 'must be an absolute URL'],
    ['1https://{a}.example', 'must be an absolute URL'],
    [' https://{a}.example', 'must be an absolute URL'],
    [' https://x{a}.example', 'must be an absolute URL'],
    ['https://x{a}.example', WHOLE],
    ['https://{a}x.example', WHOLE],
    ['https://a.example/{a', WHOLE],
    ['https://a.example/a}', WHOLE],
    ['https://a.example/{a}{b}', WHOLE],
    ['https://a.example/{}', NAME],
    ['https://a.example/{1a}', NAME],
    ['https://a.example/{a-b}', NAME],
    [`https://a.example/{${'a'.repeat(65)}}`, NAME],
    ['https://a.example/{a}/{1}', NAME],
    ['https://{a}.example/{a}', 'each variable may stand in it once'],
    ['https://a.{tld}/mcp', 'the last label of the host cannot be a variable'],
    ['https://{host}/mcp', 'the last label of the host cannot be a variable'],
    ['ftp://{a}.example', 'its scheme is neither https nor http'],
    ['https://{a}.example:443/mcp', 'it is not in normal form; write "https://a.example/mcp"'],
    ['https://{a_b}.example:443/mcp', 'it is not in normal form; write "https://a-b.example/mcp"'],
    ['https://{a}.example/mcp#b', 'a resource identifier has no fragment (RFC 9728 §1.2)'],
  ])('%s is refused: %s', (value, problem) => {
    expect(readResourceTemplate(value)).toEqual({ problem });
  });

  it('has names of up to 64 characters, with "_" also in the host', () => {
    expect(readTemplate(`https://a.example/{${'a'.repeat(64)}}`).names).toEqual(['a'.repeat(64)]);
    expect(readTemplate('https://{a_b}.example').names).toEqual(['a_b']);
  });

  it('may have variables in any label but the last, and in any segment', () => {
    expect(readTemplate('https://a.{b}.example').names).toEqual(['b']);
    expect(readTemplate('https://{a}.example/mcp').hasPathVariables).toBe(false);
    expect(readTemplate('https://a.example/{b}').hasPathVariables).toBe(true);
  });

  it('is told by a brace', () => {
    expect([isTemplate('a{'), isTemplate('a}'), isTemplate('a[]()')]).toEqual([true, true, false]);
  });
});

describe('a text with variables', () => {
  it('gets the values of its own names only', () => {
    expect(expandText('{a} and {long}, {constructor} {', { a: '1', long: '' })).toBe('1 and , {constructor} {');
  });

  it('says its names in order', () => {
    expect(namesIn('{a} {long}{} {c')).toEqual(['a', 'long', '']);
  });
});

describe('the host of a request', () => {
  const HTTPS = readTemplate('https://{a}.example.com');
  const HTTP = readTemplate('http://{a}.example.com');
  it.each([
    [HTTPS, 'x.example.com:443', 'x'],
    [HTTPS, 'x.example.com:80', undefined],
    [HTTP, 'x.example.com:80', 'x'],
    [HTTP, 'x.example.com:443', undefined],
    [HTTP, 'x.example.com:', undefined],
    [HTTPS, 'X.EXAMPLE.com', 'x'],
    [HTTPS, 'x.y.example.com', undefined],
    [HTTPS, 'example.com', undefined],
    [HTTPS, 'x.example.com.org', undefined],
    [HTTPS, '.example.com', undefined],
    [HTTPS, 'x.example.org', undefined],
    [HTTPS, 'x.example.com/', undefined],
    [HTTPS, '@x.example.com', undefined],
    [HTTPS, 'x.example.com:080443', undefined],
    [HTTPS, '-x.example.com', undefined],
    [HTTPS, 'x-.example.com', undefined],
    [HTTPS, 'x-y.example.com', 'x-y'],
    [HTTPS, `${'x'.repeat(63)}.example.com`, 'x'.repeat(63)],
    [HTTPS, `${'x'.repeat(64)}.example.com`, undefined],
    [HTTPS, 'xn--bcher-kva.example.com', 'xn--bcher-kva'],
    [HTTPS, 'xn--.example.com', undefined],
  ])('%#: %s is that of %s', (of, authority, value) => {
    expect(matchAuthority(of, authority)).toEqual(value === undefined ? undefined : { a: value });
  });

  it('has at most 253 characters', () => {
    const below = (length: number): string =>
      `x.${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(length)}`;
    const fits = 253 - below(0).length;
    expect(matchAuthority(readTemplate(`https://{a}${below(fits).slice(1)}`), below(fits))).toEqual({ a: 'x' });
    expect(matchAuthority(readTemplate(`https://{a}${below(fits + 1).slice(1)}`), below(fits + 1))).toBeUndefined();
  });
});

describe('the path of a request', () => {
  const PATH = readTemplate('https://a.example/orgs/{org}');
  it.each<[string, boolean, string | undefined]>([
    ['/orgs/x', false, 'x'],
    ['/orgs/x', true, 'x'],
    ['/orgs/x/more', false, undefined],
    ['/orgs/x/more', true, 'x'],
    ['/orgs', true, undefined],
    ['', true, undefined],
    ['/orgs/', false, undefined],
    ['/other/x', false, undefined],
    ['/orgs/X.y_z~1-', false, 'X.y_z~1-'],
    ['/orgs/a b', false, undefined],
    ['/orgs/...', false, undefined],
    ['/orgs/..x', false, '..x'],
    ['/orgs/x..', false, 'x..'],
    ['/orgs/../x', true, undefined],
    ['/orgs/x/.', true, undefined],
    ['/orgs/x/./y', true, undefined],
    ['/orgs/x/.y', true, 'x'],
    ['/orgs/x//y', true, undefined],
    [String.raw`/orgs/x/\y`, true, undefined],
    ['/orgs/x/%2Fy', true, undefined],
    ['/orgs/x/%2ey', true, undefined],
    ['/orgs/x/%5cy', true, undefined],
    ['/orgs/x/%00', true, undefined],
    ['/orgs/x/%2561', true, undefined],
    ['/orgs/x/%20', true, 'x'],
    [`/orgs/${'x'.repeat(255)}`, false, 'x'.repeat(255)],
    [`/orgs/${'x'.repeat(256)}`, false, undefined],
  ])('%#: %s, below: %s', (path, below, value) => {
    expect(matchPath(PATH, path, below)).toEqual(value === undefined ? undefined : { org: value });
  });

  it('of an origin is empty', () => {
    const origin = readTemplate('https://{a}.example');
    expect(matchPath(origin, '', false)).toEqual({});
    expect(matchPath(origin, '/', false)).toBeUndefined();
    expect(matchPath(origin, '/x', true)).toEqual({});
  });

  it('resembles the template whatever stands for a variable', () => {
    expect(['/orgs/x', '/orgs/', '/orgs/a b', '/orgs/..'].every((path) => resemblesPath(PATH, path))).toBe(true);
    expect(['/orgs', '/orgs/x/y', '/other/x', ''].some((path) => resemblesPath(PATH, path))).toBe(false);
  });
});

it('a value may stand for a variable as its place allows', () => {
  const both = readTemplate('https://{host}.example/{path}');
  expect(isVariableValue(both, 'host', 'x')).toBe(true);
  expect(isVariableValue(both, 'host', 'X')).toBe(false);
  expect(isVariableValue(both, 'host', 'x.y')).toBe(false);
  expect(isVariableValue(both, 'path', 'X')).toBe(true);
  expect(isVariableValue(both, 'path', 'x.y')).toBe(true);
  expect(isVariableValue(both, 'path', '..')).toBe(false);
});

it('an identifier of a tenant has all variables of its template', () => {
  const both = readTemplate('https://{host}.example/{path}');
  expect(matchIdentifier(both, 'https://x.example/Y')).toEqual({ host: 'x', path: 'Y' });
  const path = readTemplate('https://a.example/{path}');
  expect(matchIdentifier(path, 'https://a.example/y')).toEqual({ path: 'y' });
  for (const other of ['https://b.example/y', 'http://a.example/y', 'https://a.example/y?z', 'a.example/y', '']) {
    expect(matchIdentifier(path, other)).toBeUndefined();
  }
});
