import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import type { InteractionResults } from 'oidc-provider';
import { clientView } from './client-view.js';
import { consentGroups } from './consent.js';
import type { DevServerSettings, DevUser } from './dev-server.options.js';
import { readForm } from './form.js';
import { sendPage } from './page-response.js';
import { renderConsent, renderError, renderSignIn, type ClientView } from './pages.js';
import { interactionPath, ROUTES } from './provider-configuration.js';
import { findResource } from './resources.js';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** One request to a page or form of an interaction. */
interface Visit {
  readonly provider: Provider;
  readonly settings: DevServerSettings;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly interaction: Interaction;
}

const INTERACTION_URL = /^\/interaction\/([^/?]+)(?:\/([^/?]+))?(?:\?.*)?$/;

const FORMS: Readonly<Record<string, (visit: Visit) => Promise<void>>> = { login, confirm, abort, switch: switchUser };

/**
 * Answers `GET /interaction/:uid` with the sign-in or consent page, and the forms below it: `POST …/login` (fields
 * `username` and `password`), `…/confirm`, `…/abort`, `…/switch` (no fields).
 *
 * The provider's signed `SameSite=Lax` cookie binds an interaction to the browser that started it. Browsers also send that
 * cookie with forms of pages on other ports of this host, so forms with another `Origin` are refused.
 */
export async function answerInteraction(
  provider: Provider,
  settings: DevServerSettings,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, uid, form] = INTERACTION_URL.exec(request.url ?? '') ?? [];
  if (uid === undefined) return sendNotFound(response);
  const interaction = await provider.interactionDetails(request, response).catch(() => undefined);
  if (interaction?.uid !== uid) return sendExpired(response);
  const visit: Visit = { provider, settings, request, response, interaction };
  if (form === undefined && request.method === 'GET') return showStep(visit);
  const submit = form !== undefined && Object.hasOwn(FORMS, form) ? FORMS[form] : undefined;
  if (submit === undefined || request.method !== 'POST') return sendNotFound(response);
  const { origin } = request.headers;
  if (origin !== undefined && origin !== provider.issuer) return sendForeignForm(response);
  return submit(visit);
}

async function showStep(visit: Visit): Promise<void> {
  return visit.interaction.prompt.name === 'login' ? showSignIn(visit, 200) : showConsent(visit);
}

async function showSignIn(visit: Visit, status: number, failed?: { username: string; message: string }): Promise<void> {
  const { settings, response, interaction } = visit;
  const resources = requestedResources(interaction).map(
    (indicator) => findResource(settings.resources, indicator)?.name ?? indicator,
  );
  const page = renderSignIn({
    path: interactionPath(interaction.uid),
    client: await clientOf(visit),
    resources,
    users: settings.users,
    failed,
  });
  sendPage(response, status, page, redirectUri(interaction));
}

async function showConsent(visit: Visit): Promise<void> {
  const { settings, response, interaction } = visit;
  const resources = requestedResources(interaction);
  const grant = await existingGrant(visit);
  const byResource = new Map(resources.map((indicator) => [indicator, words(grant?.getResourceScope(indicator))]));
  const groups = consentGroups(
    {
      scopes: words(interaction.params['scope']),
      resources,
      granted: { identity: words(grant?.getOIDCScope()), byResource },
    },
    settings.resources,
  );
  const userName = settings.users.find(({ username }) => username === interaction.session?.accountId)?.name ?? '';
  const page = renderConsent({
    path: interactionPath(interaction.uid),
    client: await clientOf(visit),
    userName,
    groups,
  });
  sendPage(response, 200, page, redirectUri(interaction));
}

async function login(visit: Visit): Promise<void> {
  const { settings, request } = visit;
  if (visit.interaction.prompt.name !== 'login') return sendExpired(visit.response);
  const form = await readForm(request);
  if (form === undefined) return sendTooLong(visit.response);
  const user = authenticate(settings.users, form.get('username') ?? '', form.get('password') ?? '');
  if (user === undefined) {
    return showSignIn(visit, 401, { username: form.get('username') ?? '', message: 'Wrong user name or password.' });
  }
  await leaveSessionOfAnother(visit, user);
  return finish(visit, { login: { accountId: user.username, amr: ['pwd'] } }, false);
}

function authenticate(users: readonly DevUser[], username: string, password: string): DevUser | undefined {
  return users.find((user) => user.username === username && user.password === password);
}

/**
 * Ends the session of another user who is signed in (`prompt=login`). Otherwise the provider would answer with a page that
 * signs out by a script, which our Content-Security-Policy blocks and a headless client cannot run.
 */
async function leaveSessionOfAnother({ provider, interaction }: Visit, { username }: DevUser): Promise<void> {
  if (interaction.session === undefined || interaction.session.accountId === username) return;
  await endSession(provider, interaction);
  interaction.session = undefined;
  await interaction.persist();
}

async function endSession(provider: Provider, { session }: Interaction): Promise<void> {
  const stored = session && (await provider.Session.findByUid(session.uid));
  await stored?.destroy();
}

/** Adds the newly allowed scopes to the grant. Each token gets only the scopes of its own request. */
async function confirm(visit: Visit): Promise<void> {
  const { provider, interaction } = visit;
  const accountId = interaction.session?.accountId;
  if (interaction.prompt.name !== 'consent' || accountId === undefined) return sendExpired(visit.response);
  const grant =
    (await existingGrant(visit)) ??
    new provider.Grant({ accountId, clientId: String(interaction.params['client_id']) });
  const { missingOIDCScope, missingResourceScopes } = interaction.prompt.details as MissingScopes;
  if (missingOIDCScope !== undefined) grant.addOIDCScope(missingOIDCScope);
  for (const [indicator, scopes] of Object.entries(missingResourceScopes ?? {}))
    grant.addResourceScope(indicator, scopes);
  return finish(visit, { consent: { grantId: await grant.save() } }, true);
}

interface MissingScopes {
  readonly missingOIDCScope?: string[];
  readonly missingResourceScopes?: Readonly<Record<string, string[]>>;
}

async function abort(visit: Visit): Promise<void> {
  return finish(visit, { error: 'access_denied', error_description: 'the user said no' }, false);
}

/** Ends the session and starts the same authorization request again, at the sign-in page. */
async function switchUser({ provider, response, interaction }: Visit): Promise<void> {
  await endSession(provider, interaction);
  await interaction.destroy();
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(interaction.params)) {
    for (const single of Array.isArray(value) ? value : [value])
      if (single !== undefined) query.append(name, String(single));
  }
  response.writeHead(303, { location: `${ROUTES.authorization}?${query}` }).end();
}

async function finish(
  { provider, request, response }: Visit,
  result: InteractionResults,
  mergeWithLastSubmission: boolean,
): Promise<void> {
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission });
}

async function existingGrant({ provider, interaction }: Visit) {
  return interaction.grantId === undefined ? undefined : provider.Grant.find(interaction.grantId);
}

async function clientOf({ provider, interaction }: Visit): Promise<ClientView> {
  const clientId = String(interaction.params['client_id']);
  const client = await provider.Client.find(clientId);
  return clientView(clientId, client?.clientName, redirectUri(interaction));
}

const redirectUri = ({ params }: Interaction): string => String(params['redirect_uri']);

function requestedResources({ params }: Interaction): string[] {
  const { resource } = params;
  if (resource === undefined) return [];
  return Array.isArray(resource) ? resource.map(String) : [String(resource)];
}

const words = (value: unknown): string[] => (typeof value === 'string' ? value.split(' ').filter(Boolean) : []);

function sendExpired(response: ServerResponse): void {
  const details = [
    'It was finished, it took longer than an hour, or it began in another browser. Go back to your application and start again.',
  ];
  sendPage(
    response,
    400,
    renderError({ title: 'This step is no longer open', code: 'interaction_not_found', details }),
  );
}

function sendNotFound(response: ServerResponse): void {
  sendPage(response, 404, renderError({ title: 'Nothing here', code: 'not_found', details: [] }));
}

function sendTooLong(response: ServerResponse): void {
  sendPage(response, 413, renderError({ title: 'Too long', code: 'content_too_large', details: [] }));
}

function sendForeignForm(response: ServerResponse): void {
  const details = ['This form was sent by a page of another origin.'];
  sendPage(response, 403, renderError({ title: 'Refused', code: 'cross_origin_form', details }));
}
