/** Every client, by the name that `npm run lab -- client:NAME` takes. */
import { fastmcp } from './install/fastmcp.js';
import { go } from './install/go.js';
import { inspector } from './install/inspector.js';
import { java } from './install/java.js';
import { mcpRemote } from './install/mcp-remote.js';
import { python1, python2 } from './install/python.js';
import { rust } from './install/rust.js';
import { typescript1, typescript2 } from './install/typescript.js';

/**
 * @typedef {object} Entry
 * @property {import('./run-client.js').McpClient[]} clients
 * @property {string[]} needs commands that the machine must have
 */

/** @type {Record<string, Entry>} */
export const CLIENTS = {
  typescript: { needs: ['npm'], clients: [typescript1, typescript2] },
  python: { needs: ['python3'], clients: [python1, python2] },
  fastmcp: { needs: ['python3'], clients: [fastmcp] },
  'mcp-remote': { needs: ['npm'], clients: [mcpRemote] },
  go: { needs: ['go'], clients: [go] },
  rust: { needs: ['cargo'], clients: [rust] },
  inspector: { needs: ['npm', 'chromium'], clients: [inspector] },
  java: { needs: ['mvn', 'javac'], clients: [java] },
};
