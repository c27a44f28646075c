/** Requests over TLS with the certificate of a client, which `fetch` cannot send. */
import https from 'node:https';
import { text } from 'node:stream/consumers';

/**
 * @param {string} url whose certificate is not checked: it is one of this run
 * @param {{ headers: Record<string, string>, body: string, certificate?: { key: string, cert: string } }} request
 * @returns {Promise<{ status: number, headers: Record<string, any>, text: string }>}
 */
export function postOverTls(url, { headers, body, certificate }) {
  return new Promise((resolve, reject) => {
    const settings = { method: 'POST', headers, agent: false, rejectUnauthorized: false, ...certificate };
    const request = https.request(url, settings, async (response) => {
      resolve({ status: response.statusCode, headers: response.headers, text: await text(response) });
    });
    request.on('error', reject);
    request.end(body);
  });
}
