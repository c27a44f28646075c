import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Provider } from './provider.js';
import { goThrough } from './story.js';

const { MCP_URL, PROTOCOL } = process.env;
const provider = new Provider();
let client;
let transport;

async function withUser(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth((await provider.authorize()).get('code'));
    return attempt();
  }
}

/** The SDK has no option for the version that it asks for. */
function askFor(version) {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (message.method === 'initialize') message.params.protocolVersion = version;
    return send(message, options);
  };
}

await goThrough({
  connect: () =>
    withUser(() => {
      client = new Client({ name: 'lab', version: '1.0.0' });
      transport = new StreamableHTTPClientTransport(new URL(MCP_URL), { authProvider: provider });
      askFor(PROTOCOL);
      return client.connect(transport);
    }),
  call: (name, args) => withUser(() => client.callTool({ name, arguments: args })),
});
