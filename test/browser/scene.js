// @ts-check
import assert from 'node:assert/strict';
import { LoopbackClient } from './loopback-client.js';

export const NOTES = 'http://127.0.0.1:3000/mcp';
export const CALENDAR = 'https://calendar.example/mcp';
/** @type {import('nestjs-mcp-auth/dev-server').DevResource[]} */
export const RESOURCES = [
  {
    resource: NOTES,
    name: 'Notes',
    scopes: { 'notes:read': 'Read your notes', 'notes:write': 'Create, change and delete your notes' },
  },
  { resource: CALENDAR, name: 'Calendar', scopes: { 'calendar:read': 'See your appointments' } },
];

/** What Chromium says about every answer of 400 and above. The checks look at those answers themselves. */
const STATUS_NOTE = /^error: Failed to load resource: the server responded with a status of 4\d\d /;
const STEP_TIMEOUT_MS = 10_000;

/** @typedef {Record<string, (scene: Scene) => Promise<void>>} Checks by the sentence that each proves */

/** How the pages are seen where a check wants nothing else. */
export const VIEW = { viewport: { width: 900, height: 700 }, locale: 'en-US' };

/**
 * What one check works with: clients of its own, pages of a browser that has never been here, and a record of all that
 * Chromium complained about meanwhile. A complaint that the check did not announce fails it, such as one about the
 * Content-Security-Policy or a request to anywhere else.
 */
export class Scene {
  /** @type {string[]} */
  complaints = [];
  /** @type {string[]} */
  #expected = [];
  /** @type {Array<() => Promise<void>>} */
  #closers = [];
  /** @type {Set<string>} */
  #origins;

  /**
   * @param {import('playwright-core').BrowserContext} context used again by the next check, because a new one takes long.
   * Its cookies are all that it remembers of the pages
   * @param {import('nestjs-mcp-auth/dev-server').DevAuthorizationServer} server
   */
  constructor(context, server) {
    this.context = context;
    this.server = server;
    this.#origins = new Set([server.issuer]);
    this.#closers.push(() => context.clearCookies());
  }

  /**
   * A registered client that listens on loopback.
   *
   * @param {Record<string, unknown>} [metadata]
   * @param {string} [host]
   */
  async client(metadata, host) {
    const client = await LoopbackClient.start(this.server.issuer, metadata, host);
    this.#closers.push(() => client.close());
    this.#origins.add(client.origin);
    return client;
  }

  /**
   * An empty page; one with options shares no cookies with the others.
   *
   * @param {import('playwright-core').BrowserContextOptions} [options]
   */
  async page(options) {
    const page = await (options === undefined ? this.context.newPage() : this.#pageApart(options));
    this.#closers.push(() => page.close());
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    page.on('console', (message) => this.#note(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => this.#note(`error: ${error.message}`));
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== 'data:' && !this.#origins.has(origin)) this.complaints.push(`request: ${request.url()}`);
    });
    return page;
  }

  /** @param {import('playwright-core').BrowserContextOptions} options */
  async #pageApart(options) {
    const context = await this.context.browser()?.newContext({ ...VIEW, ...options });
    if (context === undefined) throw new Error('the browser is gone');
    this.#closers.push(() => context.close());
    return context.newPage();
  }

  /**
   * A page that has been led somewhere.
   *
   * @param {URL} address
   */
  async open(address) {
    const page = await this.page();
    await page.goto(address.href);
    return page;
  }

  /** @param {string} complaint */
  #note(complaint) {
    if (/^(error|warning): /.test(complaint) && !STATUS_NOTE.test(complaint)) this.complaints.push(complaint);
  }

  /**
   * Announces a complaint that has to come.
   *
   * @param {string} part of its text
   */
  expectComplaint(part) {
    this.#expected.push(part);
  }

  verifyComplaints() {
    const unexpected = this.complaints.filter((complaint) => !this.#expected.some((part) => complaint.includes(part)));
    assert.deepEqual(unexpected, [], 'Chromium complained');
    const missing = this.#expected.filter((part) => !this.complaints.some((complaint) => complaint.includes(part)));
    assert.deepEqual(missing, [], 'Chromium did not complain');
  }

  async close() {
    for (const close of this.#closers.toReversed()) await close();
  }
}
