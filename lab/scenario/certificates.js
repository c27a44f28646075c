/** Tokens that are bound to a certificate (RFC 8705). */
import { TestCertificate } from '../../dist/testing/index.js';
import { NOT_OFFERED } from '../products/expectation.js';
import { callRequest } from '../client/call.js';
import { postOverTls } from '../client/https.js';

/** @type {import('./steps.js').Step[]} */
export const CERTIFICATES = [
  {
    id: 'mutual-tls',
    what: 'a token bound to a certificate (mutual TLS): with it, without one, with another one',
    when: ({ server, metadata }) => server.boundToken !== undefined || !isOffered(metadata),
    run: async (lab) => {
      if (!isOffered(lab.metadata)) return NOT_OFFERED;
      const { token, certificate, authorizationServer } = await lab.server.boundToken();
      const options = { mutualTls: 'accepted', authorizationServers: [authorizationServer] };
      return lab.withTlsApp(options, async (url) => {
        const certificates = [certificate, undefined, TestCertificate.generate()];
        const answers = [];
        for (const shown of certificates) answers.push(await call(url, token, shown));
        return answers.join(', ');
      });
    },
  },
];

const isOffered = ({ tls_client_certificate_bound_access_tokens: isSupported }) => isSupported === true;

async function call(url, token, certificate) {
  const { status, headers } = await postOverTls(url, {
    ...callRequest(token, 'whoami'),
    ...(certificate && { certificate: { key: certificate.key, cert: certificate.cert } }),
  });
  const error = /\berror="([^"]*)"/.exec(headers['www-authenticate'] ?? '')?.[1];
  return error === undefined ? String(status) : `${status} ${error}`;
}
