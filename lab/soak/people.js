/** The callers: each has a token that is replaced before it expires, and one session at each server that has sessions. */
import { TestDpopKey } from '../../dist/testing/index.js';
import { mustBe, send } from './requests.js';

/** A token is replaced this long before it expires, in milliseconds. */
const MARGIN_MS = 30_000;
const TOKEN_MS = 120_000;

/** Uses of a session after which it is ended, and another is opened. */
const USES_OF_SESSION = 200;

/** Opens a session at a server that has sessions. */
export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'soak', version: '1.0.0' } },
};

export class Person {
  #tokens = new Map();
  #sessions = new Map();

  constructor(
    subject,
    weather,
    /** Whether the tokens are opaque. */
    isOpaque,
    dpopKey,
  ) {
    this.subject = subject;
    this.weather = weather;
    this.isOpaque = isOpaque;
    this.dpopKey = dpopKey;
  }

  static async create(subject, weather, isOpaque) {
    return new Person(subject, weather, isOpaque, isOpaque ? undefined : await TestDpopKey.generate());
  }

  /** A token for a server, signed with the newest key that the server has accepted. */
  async token(target, scope = '') {
    const name = `${target.url} ${scope}`;
    const known = this.#tokens.get(name);
    if (known && known.until > performance.now()) return known.token;
    const claims = { sub: this.subject, aud: target.endpoint, scope };
    const key = this.weather.keys.findLast((one) => target.acceptedKeys.has(one));
    const exp = Math.floor((Date.now() + TOKEN_MS) / 1_000);
    const token = this.isOpaque
      ? this.weather.opaque.opaque({ ...claims, exp })
      : await this.weather.mint(claims, { key });
    this.#tokens.set(name, { token, until: performance.now() + TOKEN_MS - MARGIN_MS });
    return token;
  }

  /** The header fields of this caller at a server: the token, and the session if the server has sessions. */
  async headers(target, scope) {
    return { authorization: `Bearer ${await this.token(target, scope)}`, ...(await this.session(target)) };
  }

  async session(target) {
    if (!target.hasSessions) return {};
    let session = this.#sessions.get(target);
    if (!session || session.uses >= USES_OF_SESSION) {
      const old = session;
      session = { uses: 0, id: this.#open(target) };
      this.#sessions.set(target, session);
      session.id.catch(() => this.#sessions.delete(target));
      if (old) void this.#end(target, await old.id);
    }
    session.uses += 1;
    return { 'mcp-session-id': await session.id, 'mcp-protocol-version': '2025-11-25' };
  }

  async #open(target) {
    const authorization = `Bearer ${await this.token(target)}`;
    const answer = await send(target.endpoint, { headers: { authorization }, body: INITIALIZE });
    mustBe('opening a session', answer, ...(this.isOpaque ? [200, 503] : [200]));
    const id = answer.headers['mcp-session-id'];
    if (typeof id === 'string') return id;
    throw new Unavailable();
  }

  async #end(target, id) {
    // Calls of this session may be under way.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const authorization = `Bearer ${await this.token(target)}`;
    await send(target.endpoint, { method: 'DELETE', headers: { authorization, 'mcp-session-id': id } });
  }
}

/** A step could not be taken, since an authorization server could not be asked. */
export class Unavailable extends Error {}
