import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A loopback proxy in front of a server. */
export interface TokenProxy {
  /** The URL of the MCP endpoint at the proxy. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Adds an access token to requests without one, for suites that know none. Passes on everything else as it is: bodies,
 * streams, `Origin`, and `Host` unless it names the proxy.
 *
 * @param resource the URL of the MCP endpoint
 */
export async function startTokenProxy(resource: string, token: () => Promise<string>): Promise<TokenProxy> {
  const upstream = new URL(resource);
  const proxy = createServer((request, response) => {
    const send = async (): Promise<void> => {
      const { host, ...headers } = request.headers;
      const sent = forward({
        host: upstream.hostname,
        port: upstream.port,
        method: request.method,
        path: request.url,
        headers: {
          ...headers,
          host: host?.replace(/^(localhost|127\.0\.0\.1):\d+$/, `$1:${upstream.port}`),
          authorization: headers.authorization ?? `Bearer ${await token()}`,
        },
      });
      sent.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      });
      sent.on('error', () => response.destroy());
      response.on('close', () => sent.destroy());
      request.pipe(sent);
    };
    send().catch(() => response.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${upstream.pathname}`,
    async close() {
      proxy.closeAllConnections();
      await once(proxy.close(), 'close');
    },
  };
}
