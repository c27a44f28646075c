import { TestCertificate } from '../../dist/testing/index.js';
import { postOverTls } from './https.js';

/**
 * A token of a client for itself (client credentials), bound to the certificate of the connection.
 *
 * @param {string} tokenEndpoint at https
 * @param {{ clientId: string, clientSecret: string }} client
 * @param {{ issuer: string, options?: object, parameters?: Record<string, string>, certificate?: TestCertificate }} settings
 */
export async function tokenOverTls(
  tokenEndpoint,
  { clientId, clientSecret },
  { issuer, options, parameters, certificate = TestCertificate.generate() },
) {
  const form = { grant_type: 'client_credentials', scope: 'notes:read', ...parameters };
  const { key, cert } = certificate;
  const { status, text } = await postOverTls(tokenEndpoint, {
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
    },
    body: new URLSearchParams(form).toString(),
    certificate: { key, cert },
  });
  const { access_token: token, error } = JSON.parse(text);
  if (token === undefined) throw new Error(`no token: ${status} ${error}`);
  return { token, certificate, authorizationServer: options === undefined ? issuer : { issuer, ...options } };
}
