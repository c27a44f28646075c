import { TestCertificate } from '../../dist/testing/index.js';
import { postOverTls } from './https.js';

/**
 * A token of a client for itself (client credentials), bound to the certificate of the connection.
 *
 * @param {string} tokenEndpoint at https
 * @param {{ clientId: string, clientSecret?: string }} client which authenticates with the certificate if it has no secret
 * @param {{ issuer: string, options?: object, parameters?: Record<string, string>, certificate?: TestCertificate }} settings
 */
export async function tokenOverTls(
  tokenEndpoint,
  { clientId, clientSecret },
  { issuer, options, parameters, certificate = TestCertificate.generate() },
) {
  const form = { grant_type: 'client_credentials', scope: 'notes:read', ...parameters };
  const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  const { key, cert } = certificate;
  const { status, text } = await postOverTls(tokenEndpoint, {
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(clientSecret !== undefined && { authorization: basic }),
    },
    body: new URLSearchParams(clientSecret === undefined ? { ...form, client_id: clientId } : form).toString(),
    certificate: { key, cert },
  });
  const { access_token: token, error } = JSON.parse(text);
  if (token === undefined) throw new Error(`no token: ${status} ${error}`);
  return { token, certificate, authorizationServer: options === undefined ? issuer : { issuer, ...options } };
}
