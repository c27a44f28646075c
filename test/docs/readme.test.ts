import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';

it('README.md: is short enough to be read, and leaves details to the guides', async () => {
  const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  expect(text.split('\n').length).toBeLessThanOrEqual(190);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(9_900);
});
