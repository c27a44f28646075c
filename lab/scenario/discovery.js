/** What the server says of itself, and what the doctor makes of it. */
import { SCOPES } from '../app/notes-app.js';
import { doctor, verdictOf } from '../client/doctor.js';

/** What matters to MCP, by the member of the metadata that says it. */
const FEATURES = {
  registration: ({ registration_endpoint: endpoint }) => endpoint !== undefined,
  'client ID metadata documents': ({ client_id_metadata_document_supported: supported }) => supported === true,
  'iss in responses': ({ authorization_response_iss_parameter_supported: supported }) => supported === true,
  introspection: ({ introspection_endpoint: endpoint }) => endpoint !== undefined,
  revocation: ({ revocation_endpoint: endpoint }) => endpoint !== undefined,
  DPoP: ({ dpop_signing_alg_values_supported: algorithms }) => algorithms !== undefined,
  'certificate-bound tokens': ({ tls_client_certificate_bound_access_tokens: supported }) => supported === true,
};

/** @type {import('./steps.js').Step[]} */
export const DISCOVERY = [
  {
    id: 'metadata',
    what: 'where its metadata is',
    run: async ({ places }) => places.map(({ place }) => place).join(', '),
  },
  {
    id: 'features',
    what: 'what its metadata offers',
    run: async ({ metadata }) => {
      const methods = metadata.code_challenge_methods_supported ?? [];
      const offered = Object.entries(FEATURES).filter(([, isOffered]) => isOffered(metadata));
      return [`PKCE ${methods.join(' and ') || 'not advertised'}`, ...offered.map(([name]) => name)].join(', ');
    },
  },
  {
    id: 'doctor-issuer',
    what: 'the doctor about the server, with `--probe-dcr`',
    run: async ({ server }) => verdictOf(await doctor([server.issuer, '--issuer', '--probe-dcr'])),
  },
  {
    id: 'doctor-registration',
    what: 'the doctor about registration, for an MCP server that first asks for one scope of two',
    run: (lab) =>
      lab.withApp({ scopes: { required: ['notes:read'], supported: SCOPES } }, async (url) =>
        verdictOf((await doctor([url, '--probe-dcr'])).filter(({ id }) => id === 'AS-07' || id === 'AS-15')),
      ),
  },
  {
    id: 'doctor-token',
    what: 'the doctor about a token that is for the MCP server',
    run: async (lab) => {
      const { access_token: token } = await lab.tokens();
      return lab.withApp({}, async (url) => verdictOf(ofToken(await doctor([url], token))));
    },
  },
  {
    id: 'doctor-other-token',
    what: 'the doctor about a token that is for something else',
    run: async (lab) => {
      const token = await lab.server.tokenForOthers(lab);
      return lab.withApp({}, async (url) => verdictOf(ofToken(await doctor([url], token))));
    },
  },
];

function ofToken(checks) {
  return checks.filter(({ subject }) => subject === 'token');
}
