import { parseUrl } from './parse-url.js';
import { LOOPBACK_HOSTS } from './client-metadata.js';
import type { ClientView } from './pages.js';

const LONGEST_NAME = 60;

/** The view of a client for the pages. The provider has checked the redirect URI; the client chose its own name. */
export function clientView(clientId: string, clientName: string | undefined, redirectUri: string): ClientView {
  return {
    name: displayName(clientName ?? '') || clientId,
    url: parseUrl(clientId) ? clientId : undefined,
    returnsTo: describeRedirect(redirectUri),
  };
}

/** The name, shortened, and without characters that hide or reverse the text after them. */
function displayName(name: string): string {
  const visible = name.replace(/\p{C}/gu, '').trim();
  return visible.length > LONGEST_NAME ? `${visible.slice(0, LONGEST_NAME)}…` : visible;
}

function describeRedirect(uri: string): string {
  const { protocol, host, hostname } = new URL(uri);
  if (!/^https?:$/.test(protocol)) return `the application that opens ${protocol} links`;
  return LOOPBACK_HOSTS.has(hostname) ? `${host}, on this computer` : host;
}
