/** The resource identifier for guards and verifiers that run in this process, without a network. */
export const RESOURCE = 'http://127.0.0.1:3000/mcp';
