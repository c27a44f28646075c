/**
 * Version 1 of `@rekog/mcp-nest` as a host, which cannot be installed beside version 2: installs the packed library into
 * `sample/04-mcp-nest-1`, lets the sample check itself, checks what the framework does with handlers of every kind
 * (`mcp-nest-1/checks.ts`), and lets the client of the other samples sign in and step up.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { root } from '../support/own-application.js';
import { runInOwnApp } from './own-app/run.js';

const here = dirname(fileURLToPath(import.meta.url));

runInOwnApp({
  name: 'mcp-nest-1',
  folders: [join(root, 'sample', '04-mcp-nest-1'), join(here, 'mcp-nest-1')],
  script: 'build:samples',
  checks: (check, app) => {
    const client = pathToFileURL(join(root, 'build', 'sample', 'demo-client'));
    const server = pathToFileURL(join(app, 'dist', 'main.js'));
    const demonstrate = `
      const { demonstrate } = await import('${client}/demonstration.js');
      const { McpSessionV1 } = await import('${client}/mcp-session-v1.js');
      const newSession = process.env.CLIENT === '1' ? (url, person) => new McpSessionV1(url, person) : undefined;
      await demonstrate(new URL('${server}'), ['2025-11-25'], newSession);`;
    for (const PLATFORM of ['express', 'fastify']) {
      check(`the sample checks itself on ${PLATFORM}`, ['dist/check.js'], { PLATFORM });
      for (const CLIENT of ['1', '2']) {
        const name = `the client of SDK ${CLIENT} signs in and steps up by itself on ${PLATFORM}`;
        check(name, ['--input-type=module', '--eval', demonstrate], { PLATFORM, CLIENT });
      }
    }
    check('handlers of every kind', ['dist/checks/checks.js']);
  },
});
