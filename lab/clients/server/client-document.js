/** The client ID metadata document of every client that can have one. The development server takes it from here. */

/** Where clients listen for the answer of the authorization server. */
export const CALLBACK_PORT = 33_418;

export const CLIENT_ID = 'https://clients.example/mcp.json';

const PATHS = ['/callback', '/oauth/callback', '/oauth/callback/debug'];

export const CLIENT_DOCUMENTS = {
  [CLIENT_ID]: {
    client_id: CLIENT_ID,
    client_name: 'A client of the lab',
    redirect_uris: ['127.0.0.1', 'localhost'].flatMap((host) =>
      PATHS.map((path) => `http://${host}:${CALLBACK_PORT}${path}`),
    ),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
};
