import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';

const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8');

it('README.md: is short enough to be read, and leaves details to the guides', () => {
  expect(text.split('\n').length).toBeLessThanOrEqual(190);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_200);
});

it('README.md: has a table of contents with each of its sections, in their order', () => {
  const anchors = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
  const [contents] = text.split('\n## ', 1);
  expect(anchors.length).toBeGreaterThan(5);
  expect([...contents!.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor]) => anchor)).toStrictEqual(anchors);
});

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');
}
