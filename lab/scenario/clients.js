/** How a client comes to its client ID, and the story of its user: sign-in, call, 403, step-up, call. */
import { createServer } from 'node:https';
import { once } from 'node:events';
import { SCOPES } from '../app/notes-app.js';
import { CLIENT_METADATA, officialClient } from '../client/official-client.js';
import { certificate } from '../machine/certificate.js';
import { NOT_OFFERED } from '../products/expectation.js';

/** The quick start: every request needs one scope, one tool needs another. */
const QUICK_START = { scopes: { required: ['notes:read'] } };

/** For servers that bind a client to the scopes of its registration. */
const ALL_AT_ONCE = { scopes: { required: ['notes:read'], supported: SCOPES, challenge: 'all' } };

/** @type {import('./steps.js').Step[]} */
export const CLIENTS = [
  {
    id: 'registered',
    what: 'the official client, registered before: sign-in, calls, step-up',
    run: (lab) => story(lab, QUICK_START, { client: registeredBefore(lab) }),
  },
  {
    id: 'preset',
    what: 'the official client, registered before, with the preset of this library',
    when: ({ server }) => server.preset !== undefined,
    run: (lab) =>
      story(lab, { ...QUICK_START, authorizationServers: [lab.server.preset] }, { client: registeredBefore(lab) }),
  },
  {
    id: 'dynamic-registration',
    what: 'the official client registers itself: sign-in, calls, step-up',
    run: (lab) => (lab.metadata.registration_endpoint === undefined ? NOT_OFFERED : story(lab, QUICK_START, {})),
  },
  {
    id: 'dynamic-registration-all',
    what: 'the official client registers itself, with `scopes.challenge: "all"`',
    run: (lab) => (lab.metadata.registration_endpoint === undefined ? NOT_OFFERED : story(lab, ALL_AT_ONCE, {})),
  },
  {
    id: 'client-metadata-document',
    what: 'the official client with a client ID metadata document: sign-in, calls, step-up',
    run: (lab) => (lab.metadata.client_id_metadata_document_supported ? storyWithDocument(lab) : NOT_OFFERED),
  },
];

async function story(lab, options, settings) {
  return lab.withApp(options, async (url) => {
    const { seen } = await officialClient({ url, user: lab.server.users.alice, ...settings });
    return seen.join(', ');
  });
}

export function registeredBefore({ server, metadata }) {
  return { client_id: server.client.clientId, issuer: metadata.issuer };
}

/** Publishes the document of a client at https, as the official client requires. */
export async function storyWithDocument(lab) {
  const server = createServer(certificate(), (_request, response) => {
    const metadata = { ...CLIENT_METADATA, client_id: urlOf(server) };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await story(lab, QUICK_START, { clientMetadataUrl: urlOf(server) });
  } finally {
    server.close();
  }
}

const urlOf = (server) => `https://127.0.0.1:${server.address().port}/client.json`;
