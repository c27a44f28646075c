import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { tokenize } from '../../lib/schematics/tokens.js';

const texts = (text: string): string[] => tokenize(text).map((token) => token.text);

describe('the tokens of TypeScript', () => {
  it.each([
    ['comments are none', 'a /* imports: [ */ b // ]\nc', ['a', 'b', 'c']],
    [
      'strings are one, with escapes',
      String.raw`a('it\'s', "[//")`,
      ['a', '(', String.raw`'it\'s'`, ',', '"[//"', ')'],
    ],
    ['templates are one, with templates inside', 'a`x${b({ c: `}` })}/*`d', ['a', '`x${b({ c: `}` })}/*`', 'd']],
    [
      'regular expressions are one, with brackets',
      String.raw`a = /[/"]\/(/g.b`,
      ['a', '=', String.raw`/[/"]\/(/g`, '.', 'b'],
    ],
    [
      'divisions are no regular expressions',
      '(a) / b / c[0] / 2',
      ['(', 'a', ')', '/', 'b', '/', 'c', '[', '0', ']', '/', '2'],
    ],
    ['words have all letters', 'grün$1 #private', ['grün$1', '#', 'private']],
    ['a hashbang is none', '#!/usr/bin/env node\na', ['a']],
    ['what is not closed ends with the text', 'a `b', ['a', '`b']],
  ])('%s', (_, text, expected) => {
    expect(texts(text)).toEqual(expected);
  });

  it('close every bracket that they open, in all files of this repository', () => {
    const files = ['lib', 'test', 'sample'].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
        .map((path) => join(folder, path)),
    );
    const unbalanced = files.filter((file) => {
      const open: string[] = [];
      for (const text of texts(readFileSync(file, 'utf8'))) {
        if (/^[([{]$/.test(text)) open.push(text);
        if (/^[)\]}]$/.test(text) && `${open.pop()}${text}`.replace(/^(?:\(\)|\[\]|\{\})$/, '') !== '') return true;
      }
      return open.length > 0;
    });
    expect(files.length).toBeGreaterThan(150);
    expect(unbalanced).toEqual([]);
  });
});
