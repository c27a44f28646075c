/** The resource identifier wherever the guard or a verifier runs in process, without a network. */
export const RESOURCE = 'http://127.0.0.1:3000/mcp';
