import { describe, expect, it } from '@jest/globals';
import { UriTemplate } from '@modelcontextprotocol/server';
import { resourceTemplate } from '../../lib/sdk/uri-template.js';

const match = (template: string, uri: string): unknown => resourceTemplate(template).uriTemplate.match(uri);

describe('a resource template', () => {
  it.each([
    ['notes://{owner}/{id}', 'notes://bob/7'],
    ['notes://{owner}/{id}', 'notes://bob/7/8'],
    ['notes://{owner}/{id}', 'notes://bob/'],
    ['notes://{owner}/{id}', 'notes://bob/a%2Fb'],
    ['notes://x.y/{id}', 'notes://xzy/7'],
    ['notes://x.y/{id}', 'prefix:notes://x.y/7'],
    ['file:///{+path}', 'file:///a/b.txt'],
    ['file:///{+path}', 'file:///'],
  ])('%s matches %s as the SDK does', (template, uri) => {
    expect(match(template, uri)).toEqual(new UriTemplate(template).match(uri));
  });

  it('takes no query or fragment for a part of a variable, unlike the SDK', () => {
    expect(match('notes://{id}', 'notes://7?as=admin')).toBeNull();
    expect(match('notes://{id}', 'notes://7#x')).toBeNull();
  });

  it('keeps its text and the names of its variables', () => {
    const { uriTemplate } = resourceTemplate('notes://{owner}/{+path}');
    expect(String(uriTemplate)).toBe('notes://{owner}/{+path}');
    expect(uriTemplate.variableNames).toEqual(['owner', 'path']);
  });
});
