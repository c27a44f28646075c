import { describe, expect, it } from '@jest/globals';
import { readCommandLine } from '../../lib/cli/command-line.js';
import { freePort } from '../support/free-port.js';
import { runCli } from '../support/doctor.js';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtbm9uZQ';

describe('the command line', () => {
  it.each(['--help', '-h'])('explains itself with %s', async (flag) => {
    const { code, out } = await runCli([flag]);
    expect(code).toBe(0);
    expect(out).toContain('Usage: nestjs-mcp-auth doctor');
    expect(out).toContain('Exit code: 0');
  });

  it('says its version', async () => {
    expect(await runCli(['--version'])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each<[string, string[], RegExp]>([
    ['nothing', [], /no command/],
    ['another command', ['nurse'], /the only command is "doctor"/],
    ['no URL', ['doctor'], /URL .* is missing/],
    ['two URLs', ['doctor', 'https://a.example', 'https://b.example'], /more than one URL/],
    ['what is not a URL', ['doctor', 'mcp.example.com'], /must be an absolute URL/],
    ['another scheme', ['doctor', 'ftp://a.example'], /neither https nor http/],
    ['a password in the URL', ['doctor', 'https://u:hunter22@a.example'], /password/],
    ['an unknown option', ['doctor', 'https://a.example', '--yes'], /an option is unknown/],
    ['an unknown short option', ['doctor', 'https://a.example', '-x'], /an option is unknown/],
    ['a flag with a value', ['doctor', 'https://a.example', '--json=1'], /--json is used wrongly/],
    ['an option without its value', ['doctor', 'https://a.example', '--client-id'], /--client-id is used wrongly/],
    ['an invalid time', ['doctor', 'https://a.example', '--timeout', 'soon'], /--timeout is a number/],
    ['no time at all', ['doctor', 'https://a.example', '--timeout', '0'], /--timeout is a number/],
    ['two tokens', ['doctor', 'https://a.example', '--token', '-', '--token-file', 'x'], /exclude each other/],
    ['a file that is not there', ['doctor', 'https://a.example', '--token-file', 'x'], /ENOENT/],
  ])('refuses %s', async (_what, args, why) => {
    const { code, out, err } = await runCli(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(why);
    expect(err).not.toContain('hunter22');
  });

  it.each([
    ['as --token', ['doctor', 'https://a.example', '--token', TOKEN]],
    ['as --token=', ['doctor', 'https://a.example', `--token=${TOKEN}`]],
  ])('refuses a token %s, says why, and does not repeat it', async (_how, args) => {
    const { code, out, err } = await runCli(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('history of the shell');
    expect(err).toContain('--token-file');
    for (const part of [TOKEN, ...TOKEN.split('.')]) expect(err).not.toContain(part);
  });

  it.each([
    ['in place of the command', [TOKEN]],
    ['in place of the URL', ['doctor', TOKEN]],
    ['as one URL too many', ['doctor', 'https://a.example', TOKEN]],
    ['as an option', ['doctor', 'https://a.example', `--${TOKEN}`]],
    ['as the value of an option that is none', ['doctor', 'https://a.example', `--tokn=${TOKEN}`]],
    ['as the value of a flag', ['doctor', 'https://a.example', `--json=${TOKEN}`]],
    ['as a time', ['doctor', 'https://a.example', '--timeout', TOKEN]],
    ['as short options', ['doctor', 'https://a.example', `-${TOKEN}`]],
  ])('does not repeat a token %s', async (_where, args) => {
    const { code, out, err } = await runCli(args);
    expect(code).toBe(2);
    for (const part of TOKEN.split('.')) expect(out + err).not.toContain(part.slice(0, 12));
  });

  it.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['two tokens', `${TOKEN} ${TOKEN}`],
    ['a header', `Authorization: Bearer ${TOKEN}`],
  ])('refuses %s where a token is expected', async (_what, input) => {
    const { code, out, err } = await runCli(['doctor', 'https://a.example', '--token', '-'], { input });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    for (const part of TOKEN.split('.')) expect(err).not.toContain(part);
  });

  it('takes everything that it documents', () => {
    const args = [
      'doctor',
      'https://a.example/mcp',
      '--issuer',
      '--audience',
      'x',
      '--audience',
      'y',
      '--client-id',
      'c',
    ];
    const more = [
      '--redirect-uri',
      'http://127.0.0.1/cb',
      '--probe-dcr',
      '--timeout',
      '1.5',
      '--verbose',
      '--token-file',
      'f',
      '--exchange',
      'audience=a=b',
    ];
    expect(readCommandLine([...args, ...more])).toEqual({
      kind: 'doctor',
      target: { value: 'https://a.example/mcp', origin: 'https://a.example', path: '/mcp' },
      isIssuer: true,
      json: false,
      verbose: true,
      tokenSource: { file: 'f' },
      audiences: ['x', 'y'],
      clientId: 'c',
      redirectUri: 'http://127.0.0.1/cb',
      register: true,
      exchange: [['audience', 'a=b']],
      timeoutMs: 1500,
    });
  });

  it.each([[[]], [['--issuer']], [['--json']]])('exits with 2 where nobody answers, with %j', async (flags) => {
    const { code, out } = await runCli(['doctor', `http://127.0.0.1:${await freePort()}/mcp`, ...flags]);
    expect(code).toBe(2);
    expect(out).toContain('ECONNREFUSED');
  });
});
