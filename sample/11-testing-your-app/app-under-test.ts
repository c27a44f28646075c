import { Test } from '@nestjs/testing';
import { TestIssuer } from 'nestjs-mcp-auth/testing';
import { AppModule } from '../02-official-sdk/app.module.js';
import { callTool } from '../demo-client/plain-call.js';

const RESOURCE = 'http://127.0.0.1/mcp';

/** The application as deployed, except for its environment: its issuer mints any token. */
export async function startAppUnderTest() {
  const issuer = await TestIssuer.start({ audience: RESOURCE, alg: 'ES256' });
  process.env.MCP_AUTH_RESOURCE = RESOURCE;
  process.env.MCP_AUTH_ISSUER = issuer.issuer;
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = module.createNestApplication({ logger: false, forceCloseConnections: true });
  await app.listen(0, '127.0.0.1');
  const endpoint = `${await app.getUrl()}/mcp`;

  return {
    issuer,
    call: (name: string, token?: string, args?: Record<string, unknown>) =>
      callTool(endpoint, name, { token, args: args ?? {} }),
    close: () => Promise.all([app.close(), issuer.close()]),
  };
}
