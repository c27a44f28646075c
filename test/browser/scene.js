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

/**
 * What one check works with: clients and browser contexts of its own, and a record of all that Chromium complained about
 * meanwhile. A complaint that the check did not announce fails it, such as one about the Content-Security-Policy or a
 * request to anywhere else.
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
   * @param {import('playwright-core').Browser} browser
   * @param {import('nestjs-mcp-auth/dev-server').DevAuthorizationServer} server
   */
  constructor(browser, server) {
    this.browser = browser;
    this.server = server;
    this.#origins = new Set([server.issuer]);
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
   * An empty page of a browser that has never been here.
   *
   * @param {import('playwright-core').BrowserContextOptions} [options]
   */
  async page(options) {
    const context = await this.browser.newContext({ viewport: { width: 900, height: 700 }, locale: 'en-US', ...options });
    this.#closers.push(() => context.close());
    context.setDefaultTimeout(STEP_TIMEOUT_MS);
    context.on('console', (message) => this.#note(`${message.type()}: ${message.text()}`));
    context.on('weberror', (error) => this.#note(`error: ${error.error().message}`));
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== 'data:' && !this.#origins.has(origin)) this.complaints.push(`request: ${request.url()}`);
    });
    return context.newPage();
  }

  /**
   * The page that an authorization request leads to.
   *
   * @param {URL} address
   * @param {import('playwright-core').BrowserContextOptions} [options]
   */
  async open(address, options) {
    const page = await this.page(options);
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
