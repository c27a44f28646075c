/** What the tokens of the server are worth at the application, as long as the server runs. */
import { callTool } from '../client/call.js';
import { DpopKey } from '../client/dpop-key.js';
import { officialClient } from '../client/official-client.js';
import { claimsOf, post, refresh } from '../client/oauth.js';
import { log } from '../app/log.js';
import { NOT_OFFERED } from '../products/expectation.js';
import { registeredBefore } from './clients.js';

const NONCE = { secret: 'a secret of this run, which protects nothing' };

/** @type {import('./steps.js').Step[]} */
export const TOKENS = [
  {
    id: 'two-users',
    what: 'two users of one client are two principals',
    run: async (lab) => {
      const tokens = [await lab.tokens(), await lab.tokens({ user: 'bob' }), await lab.tokens()];
      return lab.withApp({}, async (url) => {
        const answers = [];
        for (const { access_token: token } of tokens) answers.push(await callTool(url, token, 'whoami'));
        const refused = answers.find(({ status }) => status !== 200);
        if (refused) return `${refused.status} ${refused.error}`;
        const [alice, bob, again] = answers.map(({ result }) => result.principalKey);
        return `alice ${alice === again ? 'is one principal' : 'is several principals'}, bob is ${alice === bob ? 'the same' : 'another'}`;
      });
    },
  },
  {
    id: 'scopes',
    what: 'a token with one scope of two',
    run: async (lab) => {
      const { access_token: token } = await lab.tokens({ scopes: ['notes:read'] });
      return lab.withApp({}, async (url) => {
        const [read, write] = [await callTool(url, token, 'list-notes'), await callTool(url, token, 'delete-note')];
        return `list-notes ${shown(read)}, delete-note ${shown(write)}`;
      });
    },
  },
  {
    id: 'refresh',
    what: 'a refreshed token',
    run: async (lab) => {
      const client = lab.privilegedClient;
      const { refresh_token: refreshToken } = await lab.tokens({ client });
      if (refreshToken === undefined) return NOT_OFFERED;
      const { body } = await refresh(lab.metadata, refreshToken, { client, resource: lab.resource });
      if (body?.access_token === undefined) return String(body?.error);
      const isRotated = body.refresh_token !== undefined && body.refresh_token !== refreshToken;
      return lab.withApp({}, async (url) => {
        const answer = await callTool(url, body.access_token, 'list-notes');
        return `${shown(answer)}, the refresh token ${isRotated ? 'is replaced' : 'stays'}`;
      });
    },
  },
  {
    id: 'other-tokens',
    what: 'tokens of other kinds, and for others',
    run: async (lab) => {
      const { refresh_token: refreshToken, id_token: idToken } = await lab.tokens({ client: lab.privilegedClient });
      const others = {
        'refresh token': refreshToken,
        'ID token': idToken,
        'for others': await lab.server.tokenForOthers(lab),
      };
      return lab.withApp({}, (url) => callsWith(url, others));
    },
  },
  {
    id: 'introspection',
    what: 'with `introspection`: an access token, and tokens of other kinds',
    when: ({ server }) => server.introspection !== undefined,
    run: async (lab) => {
      const tokens = await lab.tokens({ client: lab.privilegedClient });
      const { access_token: token, refresh_token: refreshToken, id_token: idToken } = tokens;
      const all = { 'access token': token, 'refresh token': refreshToken, 'ID token': idToken, invented: 'invented' };
      return lab.withApp({ authorizationServers: [lab.introspecting] }, (url) => callsWith(url, all));
    },
  },
  {
    id: 'audience-bound',
    what: 'with `introspection.audienceBound`: refresh and ID tokens',
    when: ({ server }) => server.introspection !== undefined,
    run: async (lab) => {
      const { refresh_token: refreshToken, id_token: idToken } = await lab.tokens({ client: lab.privilegedClient });
      const { introspection, ...others } = lab.introspecting;
      const authorizationServers = [{ ...others, introspection: { ...introspection, audienceBound: true } }];
      const all = { 'refresh token': refreshToken, 'ID token': idToken };
      return lab.withApp({ authorizationServers }, (url) => callsWith(url, all));
    },
  },
  {
    id: 'revocation',
    what: 'a revoked access token; then where each call is introspected',
    run: async (lab) => {
      if (lab.metadata.revocation_endpoint === undefined) return NOT_OFFERED;
      return withAndWithout(lab, ({ access_token: token }) =>
        post(lab.metadata.revocation_endpoint, { token }, { client: lab.privilegedClient }),
      );
    },
  },
  {
    id: 'logout',
    what: 'an access token after its user signed out; then where each call is introspected',
    when: ({ server }) => server.logOut !== undefined,
    run: async (lab) => withAndWithout(lab, (tokens) => lab.server.logOut(tokens)),
  },
  {
    id: 'dpop',
    what: 'a token bound to a key (DPoP): with its proof, without one, with the proof of another key',
    run: async (lab) => {
      if (lab.metadata.dpop_signing_alg_values_supported === undefined) return NOT_OFFERED;
      const key = new DpopKey();
      const { access_token: token, token_type: type } = await lab.tokens({ key });
      return lab.withApp({ dpop: 'accepted' }, async (url) => {
        const answers = [
          await callTool(url, token, 'list-notes', { key }),
          await callTool(url, token, 'list-notes'),
          await callTool(url, token, 'list-notes', { key: new DpopKey() }),
        ];
        return `token_type ${type}: ${answers.map(shown).join(', ')}`;
      });
    },
  },
  {
    id: 'dpop-off',
    what: 'a token bound to a key where the option `dpop` is off',
    run: async (lab) => {
      if (lab.metadata.dpop_signing_alg_values_supported === undefined) return NOT_OFFERED;
      const { access_token: token } = await lab.tokens({ key: new DpopKey() });
      return lab.withApp({}, async (url) => {
        const answer = await callTool(url, token, 'list-notes');
        return `${shown(answer)}, the log ${/bound to a key|DPoP/.test(log.takeWarnings().join()) ? 'says why' : 'does not say why'}`;
      });
    },
  },
  {
    id: 'dpop-client',
    what: 'the official client binds its tokens to a key, and the MCP server demands a nonce',
    run: async (lab) => {
      if (lab.metadata.dpop_signing_alg_values_supported === undefined) return NOT_OFFERED;
      const options = { scopes: { required: ['notes:read'] }, dpop: { mode: 'required', nonce: NONCE } };
      return lab.withApp(options, async (url) => {
        const settings = { user: lab.server.users.alice, client: registeredBefore(lab), isBound: true };
        const { seen, tokens } = await officialClient({ url, ...settings });
        return [`token_type ${tokens?.token_type}`, ...seen].join(', ');
      });
    },
  },
  {
    id: 'token-exchange',
    what: 'token exchange (RFC 8693), as a client of the MCP server',
    when: ({ server }) => server.exchangingClient !== undefined,
    run: async (lab) => {
      const { access_token: token } = await lab.tokens();
      const { body } = await post(
        lab.metadata.token_endpoint,
        {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          scope: 'notes:read',
        },
        { client: lab.server.exchangingClient },
      );
      if (body?.access_token === undefined) return String(body?.error);
      const actor = claimsOf(body.access_token)?.act === undefined ? 'without act' : 'with act';
      return lab.withApp(
        {},
        async (url) => `new token ${actor}: list-notes ${shown(await callTool(url, body.access_token, 'list-notes'))}`,
      );
    },
  },
];

/** Calls twice with new tokens: with the plain application, and with one that introspects. */
async function withAndWithout(lab, end) {
  const seen = [];
  for (const authorizationServer of [
    lab.authorizationServer,
    ...(lab.server.introspection ? [lab.introspecting] : []),
  ]) {
    const tokens = await lab.tokens({ client: lab.privilegedClient });
    seen.push(
      await lab.withApp({ authorizationServers: [authorizationServer] }, async (url) => {
        const before = await callTool(url, tokens.access_token, 'list-notes');
        const { status } = await end(tokens);
        const after = await callTool(url, tokens.access_token, 'list-notes');
        return `${shown(before)} before, ${shown(after)} after${status < 400 ? '' : ` (the server answered ${status})`}`;
      }),
    );
  }
  return seen.length === 1 ? seen[0] : `${seen[0]}; where introspected, ${seen[1]}`;
}

/** A call with each token that there is. */
async function callsWith(url, tokens) {
  const seen = [];
  for (const [name, token] of Object.entries(tokens)) {
    seen.push(`${name} ${token === undefined ? 'not issued' : shown(await callTool(url, token, 'list-notes'))}`);
  }
  return seen.join(', ');
}

function shown({ status, error }) {
  return error === undefined ? String(status) : `${status} ${error}`;
}
