import type { Person } from '../../sample/demo-client/browser.js';
import { McpSession, type Session } from '../../sample/demo-client/mcp-session.js';
import { McpSessionV1 } from '../../sample/demo-client/mcp-session-v1.js';

/** A revision of MCP, of the last one with a handshake and the first one without. */
export type Revision = '2025-11-25' | '2026-07-28';

export type { Session };

/** A client library, made to speak one revision of the protocol. */
export interface McpClient {
  readonly name: string;
  readonly revision: Revision;
  newSession(url: string, person: Person): Session;
}

/** Add a client by adding a row. */
export const CLIENTS: readonly McpClient[] = [
  {
    name: 'client of the official SDK 2',
    revision: '2026-07-28',
    newSession: (url, person) => new McpSession(url, person, { pin: '2026-07-28' }),
  },
  {
    name: 'client of the official SDK 2',
    revision: '2025-11-25',
    newSession: (url, person) => new McpSession(url, person, 'legacy'),
  },
  {
    name: 'client of the official SDK 1',
    revision: '2025-11-25',
    newSession: (url, person) => new McpSessionV1(url, person),
  },
];
