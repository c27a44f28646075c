/**
 * The quick start as it is built, with two settings that it has no variable for: tokens that expire soon, and the client ID
 * metadata document of the clients. Tells its parent the addresses, then every exchange.
 */
import { CLIENT_DOCUMENTS } from './client-document.js';
import { watchExchanges } from './exchanges.js';

const build = (path) => import(new URL(`../../../build/sample/${path}`, import.meta.url).href);

watchExchanges((exchange) => process.send?.({ exchange }));
// Messages arrive in order: after the answer, the parent has every exchange.
process.on('message', () => setImmediate(() => process.send?.({ told: true })));
process.once('disconnect', () => process.exit());

const [{ createApp }, { platform }, { startNotesServer }] = await Promise.all(
  ['01-quick-start/app.js', 'notes-server/platform.js', 'notes-server/servers.js'].map(build),
);
const { resource, issuer } = await startNotesServer(
  async () => createApp(await platform()),
  { mcp: 0, authorizationServer: 0 },
  { accessTokenTtlSeconds: Number(process.env.TOKEN_SECONDS), clientMetadataDocuments: CLIENT_DOCUMENTS },
);
process.send?.({ ready: { resource, issuer } });
