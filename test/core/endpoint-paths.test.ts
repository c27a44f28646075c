import { describe, expect, it } from '@jest/globals';
import { TransportRules } from '../../lib/authorization/transport-rules.js';
import { readResourceIdentifier } from '../../lib/core/resource.js';
import { isTemplate, readResourceTemplate } from '../../lib/core/resource-template.js';
import type { ResolvedOptions } from '../../lib/options/options.js';

/** Whether the rules of MCP take a path for that of one of these resources. */
function isEndpoint(path: string, ...identifiers: readonly string[]): boolean {
  const resources = identifiers.map((value) => {
    if (!isTemplate(value)) return { identifier: readResourceIdentifier(value) };
    const template = readResourceTemplate(value);
    if ('problem' in template) throw new Error(template.problem);
    return { identifier: { path: new URL(value).pathname }, template: { template } };
  });
  const nothing = undefined as never;
  const options = { resources, allowedOrigins: [] } as unknown as ResolvedOptions;
  return new TransportRules(options, nothing, nothing, nothing, nothing).isEndpoint(path);
}

describe('the path of an MCP endpoint', () => {
  it.each(['/a/mcp', '/a/mcp/', '//a/mcp', '/a///mcp', '/A/Mcp', '/%61/mcp', '/a%2fmcp', '/a/mcp%2F', '/a/mcp//'])(
    'is known in the spelling %s',
    (path) => {
      expect(isEndpoint(path, 'https://mcp.example.com/a/mcp')).toBe(true);
    },
  );

  it.each(['/amcp', '/a/mc/p', '/a/mcp/b', '/b/a/mcp', '/a', '/', '/a/mcp%', '/%E0%A4%A/mcp', '/a/mcp%252f'])(
    'is not %s',
    (path) => {
      expect(isEndpoint(path, 'https://mcp.example.com/a/mcp')).toBe(false);
    },
  );

  it('is compared letter by letter, also where two letters are one capital', () => {
    expect(isEndpoint('/ma%C3%9Fe', 'https://mcp.example.com/masse')).toBe(false);
  });

  it('may end with a slash after a variable', () => {
    const paths = ['/orgs/acme', '/orgs/acme/', '/orgs', '/orgs/acme/below'];
    const expected = [true, true, false, false];
    expect(paths.map((path) => isEndpoint(path, 'https://api.example.com/orgs/{tenant}/'))).toEqual(expected);
  });

  it('may be that of any resource, and be spelled with escapes in the options', () => {
    const all = ['https://mcp.example.com/one', 'https://mcp.example.com/tw%6F', 'https://{org}.example.com/three'];
    expect(['/one', '/two', '/tw%6F', '/three', '/four'].map((path) => isEndpoint(path, ...all))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it.each<[string, boolean]>([
    ['/orgs/acme/m.cp', true],
    ['/ORGS/Acme//M.cp/', true],
    ['/orgs/%61/m%2Ecp', true],
    // Not the value of a variable, but as near to the path as any spelling.
    ['/orgs/a b/m.cp', true],
    ['/orgs/acme/mxcp', false],
    ['/orgs/a/b/m.cp', false],
    ['/orgs//m.cp', false],
    ['/orgs/acme/m.cp/below', false],
    ['/before/orgs/acme/m.cp', false],
    ['/orgs/acme', false],
  ])('with a variable is that of every tenant: %s is %s', (path, expected) => {
    expect(isEndpoint(path, 'https://api.example.com/orgs/{tenant}/m.cp')).toBe(expected);
  });
});
