import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startNotesServer } from './support/notes-server.js';
import { ran, Framework, SETTINGS } from './support/direct-calls.js';

describe('handlers that an MCP framework calls over stdio', () => {
  /** As the one of the official SDK, by whatever name a bundler gives it. */
  class OverStandardInput {
    readonly input = process.stdin;
  }

  const TOKEN_ENV = 'NESTJS_MCP_AUTH_TEST_TOKEN';

  afterAll(() => {
    delete process.env[TOKEN_ENV];
  });
  beforeEach(() => {
    ran.length = 0;
  });

  async function callOverStdio(
    stdio: 'deny' | 'trust' | { tokenEnv: string },
    transport: object,
    token?: string,
  ): Promise<unknown> {
    const server = await startNotesServer('express', { ...SETTINGS, options: { stdio } });
    if (token !== undefined) process.env[TOKEN_ENV] = await server.mint({ scope: token });
    const framework = server.app.get(Framework);
    framework.transport = transport;
    const answer = await framework.call(
      { id: 1, method: 'tools/call', params: { name: 'per-request', arguments: {} } },
      undefined,
    );
    await server.close();
    return answer;
  }

  it.each(['deny', 'trust'] as const)('are refused over anything that is not stdio, also with %j', async (stdio) => {
    class OtherTransport {}
    await expect(callOverStdio(stdio, new OtherTransport())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('LIB-18: are refused over a transport that has nothing but the name of the one for stdio', async () => {
    class StdioServerTransport {}
    await expect(callOverStdio('trust', new StdioServerTransport())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('are refused unless the options say otherwise', async () => {
    await expect(callOverStdio('deny', new OverStandardInput())).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual([]);
  });

  it('run for whoever started the process, if that is what the options say', async () => {
    await expect(callOverStdio('trust', new OverStandardInput())).resolves.toEqual({ hasRequest: false });
  });

  it('run for the caller whose token is in the environment, if it says enough', async () => {
    const tokenEnv = { tokenEnv: TOKEN_ENV };
    await expect(callOverStdio(tokenEnv, new OverStandardInput(), 'a')).resolves.toMatchObject({ subject: 'alice' });
    await expect(callOverStdio(tokenEnv, new OverStandardInput(), 'b')).resolves.toMatchObject({ isError: true });
    expect(ran).toEqual(['per-request']);
  });
});
