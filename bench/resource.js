/** The resource identifier of every server here; wherever one listens, requests name this host. */
export const RESOURCE = 'http://127.0.0.1:3000/mcp';
