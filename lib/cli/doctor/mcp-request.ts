import type { OutboundRequest } from '../../issuer/outbound.js';

/** The first request of a client, which the server answers with the challenge. */
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'nestjs-mcp-auth doctor', version: '1' },
  },
});

export function initializeRequest(headers: Readonly<Record<string, string>> = {}): OutboundRequest {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: INITIALIZE,
  };
}
