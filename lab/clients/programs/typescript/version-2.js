import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Provider } from './provider.js';
import { goThrough } from './story.js';

const { MCP_URL, PROTOCOL } = process.env;
const provider = new Provider();
const isOld = PROTOCOL.startsWith('2025');
const client = new Client(
  { name: 'lab', version: '1.0.0' },
  {
    versionNegotiation: isOld ? { mode: 'legacy' } : { mode: { pin: PROTOCOL } },
    ...(isOld && { protocolVersion: PROTOCOL, supportedProtocolVersions: [PROTOCOL] }),
  },
);
let transport;

async function withUser(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await provider.authorize());
    return attempt();
  }
}

await goThrough({
  connect: () =>
    withUser(() => {
      transport = new StreamableHTTPClientTransport(new URL(MCP_URL), { authProvider: provider });
      return client.connect(transport);
    }),
  call: (name, args) => withUser(() => client.callTool({ name, arguments: args })),
});
