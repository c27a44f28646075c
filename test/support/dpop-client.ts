import { expect } from '@jest/globals';
import { Client, DpopSession, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { InMemoryOAuthProvider } from '../../sample/demo-client/oauth-provider.js';
import { Browser } from '../dev-server/flow.js';

/** The storage of a client that binds its tokens to a key. */
export class BindingProvider extends InMemoryOAuthProvider {
  constructor(private readonly session: DpopSession | Promise<DpopSession> = DpopSession.create()) {
    super();
  }

  dpop(): DpopSession | Promise<DpopSession> {
    return this.session;
  }
}

/**
 * Connects the official client with a key, for which Alice signs in at the development authorization server. Closes the client after
 * its use.
 */
export async function withKeyedClient(
  resource: string,
  use: (client: Client, provider: BindingProvider) => Promise<void>,
): Promise<void> {
  const client = new Client({ name: 'a client with a key', version: '1.0.0' });
  const provider = new BindingProvider();
  const transport = (): StreamableHTTPClientTransport =>
    new StreamableHTTPClientTransport(new URL(resource), { authProvider: provider });
  try {
    const first = transport();
    await expect(client.connect(first)).rejects.toBeInstanceOf(UnauthorizedError);
    const { url } = await new Browser().signInAndAllow(provider.authorizationUrl as URL);
    await first.finishAuth(provider.acceptCallback(url));
    await client.connect(transport());
    await use(client, provider);
  } finally {
    await client.close();
  }
}
