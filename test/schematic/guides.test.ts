import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { nextSteps } from '../../lib/schematics/next-steps.js';

const guide = (name: string): Promise<string> =>
  readFile(new URL(`../../docs/guides/${name}.md`, import.meta.url), 'utf8');

const printed = (mustTellJest: boolean): string =>
  nextSteps({
    resource: 'http://127.0.0.1:3000/mcp',
    present: undefined,
    controllers: [],
    withExample: true,
    mustInstall: false,
    mustTellJest,
  });

describe('the guides on nest add', () => {
  it('show what it prints', async () => {
    expect(await guide('protect-a-server')).toContain(printed(false));
  });

  it('have the configuration of Jest that it prints', async () => {
    const text = printed(true);
    const configuration: unknown = JSON.parse(`{${text.slice(text.indexOf('"transform"'))}}`);
    const blocks = [...(await guide('testing')).matchAll(/^```json\n([^]*?)^```$/gm)].map(
      ([, block = '']) => JSON.parse(block) as unknown,
    );
    expect(blocks).toContainEqual(configuration);
  });

  it('name every option', async () => {
    const schema = JSON.parse(await readFile(new URL('../../schematics/nest-add.json', import.meta.url), 'utf8')) as {
      properties: Record<string, unknown>;
    };
    // The Nest CLI passes it by itself.
    const options = Object.keys(schema.properties).filter((name) => name !== 'sourceRoot');
    const text = await guide('protect-a-server');
    expect(
      options.filter((name) => !text.includes(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)),
    ).toEqual([]);
  });
});
