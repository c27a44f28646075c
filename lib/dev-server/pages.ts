import { html, type Html } from './html.js';
import { STYLE } from './page-style.js';

/** The client that sent the request. Only its redirect URI was checked; it chose its own name. */
export interface ClientView {
  readonly name: string;
  /** The client identifier if it is a URL. Its host shows who published the client. */
  readonly url?: string | undefined;
  /** Describes where the browser goes after the answer. */
  readonly returnsTo: string;
}

export interface SignInView {
  /** Path of the interaction. Forms are sent to paths below it. */
  readonly path: string;
  readonly client: ClientView;
  readonly resources: readonly string[];
  readonly users: readonly { readonly username: string; readonly password: string; readonly name: string }[];
  /** The user name of a failed attempt, and why it failed. */
  readonly failed?: { readonly username: string; readonly message: string } | undefined;
}

export interface ConsentScope {
  readonly name: string;
  readonly description: string;
  /** Whether the user has not yet allowed this scope. */
  readonly isNew: boolean;
}

export interface ConsentGroup {
  readonly title: string;
  /** The resource identifier. */
  readonly identifier?: string;
  readonly scopes: readonly ConsentScope[];
}

export interface ConsentView {
  readonly path: string;
  readonly client: ClientView;
  readonly userName: string;
  readonly groups: readonly ConsentGroup[];
}

export interface ErrorView {
  readonly title: string;
  readonly code: string;
  readonly details: readonly string[];
}

export interface HomeView {
  readonly issuer: string;
  readonly resources: readonly {
    readonly title: string;
    readonly identifier: string;
    readonly scopes: readonly string[];
  }[];
  readonly users: readonly { readonly username: string; readonly name: string }[];
}

export function renderSignIn({ path, client, resources, users, failed }: SignInView): string {
  return page(
    'Sign in',
    html`
    <h1>Sign in</h1>
    <p><strong><bdi>${client.name}</bdi></strong> wants to use <strong>${resources.join(', ')}</strong>.</p>
    <ul class="users" aria-label="Ready users">
      ${users.map((user) => renderChoice(path, user))}
    </ul>
    <p class="or">or with a password</p>
    <form method="post" action="${path}/login">
      ${failed && html`<p class="alert" role="alert" id="failure">${failed.message}</p>`}
      <label class="field">User name <input name="username" value="${failed?.username}" required
        autocomplete="username" autocapitalize="none" spellcheck="false"></label>
      <label class="field">Password <input name="password" type="password" required
        autocomplete="current-password" ${failed && html`aria-describedby="failure" autofocus`}></label>
      <div class="actions">
        <button class="primary" type="submit">Sign in</button>
        <button type="submit" form="cancel">Cancel</button>
      </div>
    </form>
    <form id="cancel" method="post" action="${path}/abort"></form>`,
  );
}

/** A button that submits the same form with one click. */
function renderChoice(path: string, { username, password, name }: SignInView['users'][number]): Html {
  return html`<li>
        <form method="post" action="${path}/login">
          <input type="hidden" name="username" value="${username}">
          <input type="hidden" name="password" value="${password}">
          <button type="submit">
            <span class="initial" aria-hidden="true">${name.slice(0, 1)}</span>
            <span>Continue as ${name}<small>${username}</small></span>
          </button>
        </form>
      </li>`;
}

export function renderConsent({ path, client, userName, groups }: ConsentView): string {
  return page(
    'Allow access',
    html`
    <h1><bdi>${client.name}</bdi> asks for access</h1>
    <p class="muted">Signed in as <strong>${userName}</strong>.</p>
    ${groups.map(renderGroup)}
    <dl>
      ${client.url !== undefined && html`<dt>The application identifies itself as</dt><dd><code>${client.url}</code></dd>`}
      <dt>You will be sent back to</dt>
      <dd>${client.returnsTo}</dd>
    </dl>
    <div class="actions">
      <form method="post" action="${path}/confirm"><button class="primary" type="submit">Allow</button></form>
      <form method="post" action="${path}/abort"><button type="submit">Deny</button></form>
    </div>
    <form class="account" method="post" action="${path}/switch">
      <button class="link" type="submit">Use another account</button>
    </form>`,
  );
}

function renderGroup({ title, identifier, scopes }: ConsentGroup): Html {
  return html`<section class="group">
      <header><h2>${title}</h2>${identifier !== undefined && html`<code>${identifier}</code>`}</header>
      <ul>${scopes.map(renderScope)}
      </ul>
    </section>`;
}

function renderScope({ name, description, isNew }: ConsentScope): Html {
  const badge = isNew ? html`<span class="badge new">New</span>` : html`<span class="badge">Already allowed</span>`;
  return html`
        <li><span>${description}<code>${name}</code></span>${badge}</li>`;
}

export function renderError({ title, code, details }: ErrorView): string {
  return page(
    title,
    html`
    <h1>${title}</h1>
    <p><code>${code}</code></p>
    ${details.map((detail) => html`<p>${detail}</p>`)}`,
  );
}

const METADATA = '/.well-known/oauth-authorization-server';

export function renderHome({ issuer, resources, users }: HomeView): string {
  return page(
    'Development authorization server',
    html`
    <h1>Development authorization server</h1>
    <p class="muted">It signs people in and issues tokens, so that MCP authorization can be tried on this computer.</p>
    <dl>
      <dt>Issuer</dt><dd><code>${issuer}</code></dd>
      <dt>Metadata</dt><dd><a href="${METADATA}"><code>${METADATA}</code></a></dd>
      <dt>Users</dt><dd>${users.map(({ username, name }) => html`<div>${name} <code>${username}</code></div>`)}</dd>
    </dl>
    ${resources.map(
      ({ title, identifier, scopes }) => html`<section class="group">
      <header><h2>${title}</h2><code>${identifier}</code></header>
      <ul>${scopes.map((scope) => html`<li><code>${scope}</code></li>`)}</ul>
    </section>`,
    )}`,
  );
}

function page(title: string, content: Html): string {
  return (
    html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>`.markup +
    STYLE +
    html`</style>
</head>
<body>
<header><p class="strip">Development server — not for production</p></header>
<main>${content}
</main>
</body>
</html>
`.markup
  );
}
