import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { expandTemplate, matchAuthority, matchIdentifier, matchPath } from '../../lib/core/resource-template.js';
import { readResourceIdentifier } from '../../lib/core/resource.js';
import { always } from '../fuzz/property.js';
import { readTemplate } from '../support/read-template.js';

const HOST = readTemplate('https://{tenant}.example.com/mcp');
const PATH = readTemplate('https://api.example.com/orgs/{tenant}/mcp');
const BOTH = readTemplate('https://{region}.example.com:8443/{org}/{project}/mcp');

/** Text that looks like a name, with the characters that URLs and routers trip over among it. */
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abzABZ019-._~%2eEfF/\\@:[]{}?#*äK\0 '), maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('a'.repeat(63), 'a'.repeat(64), 'xn--bcher-kva', 'xn--', 'XN--BCHER-KVA', 'constructor', '__proto__'),
);

describe('a name in the place of a variable', () => {
  it('is one that an identifier can have, or none', () => {
    always(5_000, name, (text) => {
      const found = [
        [HOST, matchAuthority(HOST, `${text}.example.com`)],
        [PATH, matchPath(PATH, `/orgs/${text}/mcp`, false)],
        [PATH, matchPath(PATH, `/orgs/${text}/mcp/below`, true)],
      ] as const;
      for (const [of, variables] of found) {
        if (!variables) continue;
        const { value } = expandTemplate(of, variables);
        // Neither a URL parser nor a router reads it in another way.
        expect(readResourceIdentifier(value)).toMatchObject({ value });
        expect(new URL(value).href).toBe(value);
        expect(matchIdentifier(of, value)).toEqual(variables);
      }
    });
  });

  it('is in a host the label in lower case, and in a path the segment as it is', () => {
    const label = fc
      .stringMatching(/^[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/)
      .filter((one) => !/^xn--/i.test(one));
    always(1_000, label, (text) => {
      expect(matchAuthority(HOST, `${text}.EXAMPLE.com`)).toEqual({ tenant: text.toLowerCase() });
      expect(matchPath(PATH, `/orgs/${text}/mcp`, false)).toEqual({ tenant: text });
    });
  });

  it('leads to one tenant only, whatever it is', () => {
    always(2_000, fc.tuple(name, name), ([one, other]) => {
      const [first, second] = [one, other].map((text) => matchPath(PATH, `/orgs/${text}/mcp`, false));
      if (!first || !second || one === other) return;
      expect(expandTemplate(PATH, first).value).not.toBe(expandTemplate(PATH, second).value);
    });
  });
});

it.each([
  ['eu.example.com:8443', { region: 'eu' }],
  ['eu.example.com', undefined],
  ['eu.example.com:443', undefined],
  ['\u212A.example.com:8443', undefined],
])('a template with a port takes the host %s as %j', (authority, variables) => {
  expect(matchAuthority(BOTH, authority)).toEqual(variables);
});

it.each([
  'https://a.example.com/mcp/',
  'https://A.example.com/mcp',
  'http://a.example.com/mcp',
  'https://a.example.com',
])('%s is the identifier of no tenant of https://{tenant}.example.com/mcp', (identifier) => {
  expect(matchIdentifier(HOST, identifier)).toBeUndefined();
});
