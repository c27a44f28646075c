import { installPython } from './python.js';

/** @type {import('../run-client.js').McpClient} */
export const fastmcp = {
  name: 'FastMCP',
  version: '4.2.3',
  protocols: ['2025-11-25', '2026-07-28'],
  hasDocuments: true,
  install: installPython('fastmcp', 'fastmcp', '4.2.3'),
};
