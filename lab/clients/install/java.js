import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../machine/processes.js';
import { copyProgram } from './programs.js';

const VERSION = '2.2.0';
const HOST_OAUTH = `${process.execPath} ${fileURLToPath(new URL('../host-oauth.js', import.meta.url))}`;

const ofTheHost = (seen) => ({
  seen,
  result: 'absent',
  note: 'The SDK has no OAuth: it tells the host of the refusal, which did this.',
});

/** `programs/java/pom.xml` has the version, too. @type {import('../run-client.js').McpClient} */
export const java = {
  name: 'java-sdk',
  version: VERSION,
  protocols: ['2025-06-18', '2025-11-25', '2026-07-28'],
  hasDocuments: false,
  deviations: {
    discovery: ofTheHost('401, /.well-known/oauth-protected-resource/mcp, /.well-known/oauth-authorization-server'),
    registration: ofTheHost('dynamic registration, 201'),
    'sign-in': ofTheHost('PKCE S256, resource in both requests, state'),
    refresh: {
      seen: '200, the user was asked again',
      result: 'absent',
      note: 'The SDK has no OAuth, and the host of this run does not refresh tokens.',
    },
  },
  install() {
    const folder = copyProgram('java', `java-${VERSION}`);
    run('mvn', ['--quiet', '--batch-mode', 'dependency:copy-dependencies', '-DoutputDirectory=packages'], {
      cwd: folder,
    });
    const packages = join(folder, 'packages/*');
    run('javac', ['-cp', packages, '-d', join(folder, 'classes'), join(folder, 'LabClient.java')]);
    const classPath = [packages, join(folder, 'classes')].join(delimiter);
    return { command: 'java', args: ['-cp', classPath, 'LabClient'], env: { HOST_OAUTH } };
  },
};
