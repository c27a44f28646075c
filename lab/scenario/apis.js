/** What tools get for the other APIs that they call. */
import { freePort } from '../machine/free-port.js';
import { callTool } from '../client/call.js';
import { post } from '../client/oauth.js';
import { log } from '../app/log.js';

/** @type {import('./steps.js').Step[]} */
export const APIS = [
  {
    id: 'downstream',
    what: 'a tool calls an API with a token that `McpAuthDownstream` exchanged; then the token of the caller there',
    when: ({ server }) => server.otherApi !== undefined,
    run: (lab) => callOtherApi(lab, lab.server.otherApi),
  },
];

/**
 * Calls a tool that calls an API: another MCP server on the library, which accepts tokens for itself alone.
 *
 * @param {import('./lab.js').Lab} lab
 * @param {import('../products/product.js').OtherApi} api
 */
export async function callOtherApi(lab, { audience, options, hasActor }) {
  const { access_token: token } = await lab.tokens();
  const client = lab.server.exchangingClient;
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const downstream = {
    api: {
      grant: 'token-exchange',
      clientId: client.clientId,
      auth: { method: 'client_secret_basic', clientSecret: client.clientSecret },
      audience,
      origins: [origin],
      ...(hasActor && { actorToken: () => tokenOfItself(lab, client) }),
      ...options,
    },
  };
  const there = (url) =>
    lab.withApp({ downstream }, async (notesUrl) => {
      const { status, error, result } = await callTool(notesUrl, token, 'call-api');
      const warnings = log.takeWarnings();
      const refused = await callTool(url, token, 'whoami');
      const own = `the token of the caller there: ${shown(refused)}`;
      if (!result?.aud)
        return `${result === undefined && status === 200 ? 'an error of the tool' : shown({ status, error })}, ${adviceIn(warnings)}; ${own}`;
      const { result: here } = await callTool(notesUrl, token, 'whoami');
      const isSame = here.principalKey === result.result?.principalKey;
      const isForApi = [result.aud].flat().join() === audience;
      const whose = `aud is ${isForApi ? 'the API alone' : JSON.stringify(result.aud)}, ${result.act ? 'with' : 'without'} act`;
      return `${whose}: ${result.status} as ${isSame ? 'the same user' : 'somebody else'}; ${own}`;
    });
  return lab.withApp({ audience }, there, port);
}

/** The token of the MCP server itself. */
async function tokenOfItself({ metadata }, client) {
  const { body } = await post(metadata.token_endpoint, { grant_type: 'client_credentials' }, { client });
  return body.access_token;
}

/** What the server said, and whether the log has advice. */
function adviceIn(warnings) {
  const text = warnings.join('\n');
  const [, code] = /token endpoint answered \d+ ("\w+"(?:: "[^"]*")?)/.exec(text) ?? [];
  return `the log shows ${code ?? (text || 'nothing')}${/What to do:/.test(text) ? ' and says what to do' : ''}`;
}

function shown({ status, error }) {
  return error === undefined ? String(status) : `${status} ${error}`;
}
