/** The resource identifier of every server here; the port stands for nothing. */
export const RESOURCE = 'http://127.0.0.1:3000/mcp';
