import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { AuthInfo, RequireScopes, type McpAuthModuleOptions } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpTool, type RegisterOptions } from 'nestjs-mcp-auth/sdk';
import { callOverStdio } from './over-stdio.js';
import { SDKS, startSdkServer, type RpcAnswer, type SdkServer } from './sdk-server.js';

@Injectable()
class Callers {
  @McpTool()
  @RequireScopes('a')
  whoami(@AuthInfo('subject') subject: string | undefined): string {
    return `ran for ${subject}`;
  }
}

@Injectable()
class Open {
  @McpTool({ name: 'whoami' })
  run(): string {
    return 'ran';
  }
}

const VARIABLE = 'SDK_STDIO_TEST_TOKEN';

describe.each(SDKS)('a server of SDK %s over stdio', (sdk) => {
  let server: SdkServer | undefined;
  afterEach(async () => {
    await server?.close();
    delete process.env[VARIABLE];
  });

  async function whoami(stdio: McpAuthModuleOptions['stdio'], options?: RegisterOptions): Promise<RpcAnswer['result']> {
    server = await startSdkServer({ sdk, providers: [Callers], options: { ...(stdio !== undefined && { stdio }) } });
    if (typeof stdio === 'object') process.env[VARIABLE] = await server.mint({ sub: 'bob', scope: 'a' });
    return callOverStdio(sdk, server.app.get(McpSdkBridge), 'whoami', options ?? {});
  }

  it('refuses every call unless the module says otherwise', async () => {
    expect(await whoami(undefined, { stdio: true })).toMatchObject({ isError: true });
  });

  it('runs for whoever started the process, where the module trusts them', async () => {
    expect(await whoami('trust', { stdio: true })).toMatchObject({ content: [{ text: 'ran for undefined' }] });
  });

  it('runs for the caller of the token in the environment', async () => {
    expect(await whoami({ tokenEnv: VARIABLE }, { stdio: true })).toMatchObject({ content: [{ text: 'ran for bob' }] });
  });

  it('runs no tool without requirements where a policy of the whole server would have to be asked', async () => {
    const providers = [Open];
    server = await startSdkServer({ sdk, providers });
    expect(await callOverStdio(sdk, server.app.get(McpSdkBridge), 'whoami')).toMatchObject({
      content: [{ text: 'ran' }],
    });
    await server.close();
    server = await startSdkServer({ sdk, providers, options: { authorize: () => true } });
    expect(await callOverStdio(sdk, server.app.get(McpSdkBridge), 'whoami')).toMatchObject({ isError: true });
  });

  it('is taken for stdio only where it was registered so', async () => {
    expect(await whoami('trust')).toMatchObject({ isError: true });
  });
});
