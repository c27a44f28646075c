/** The servers under load, with what is known about each. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

const SERVERS = [
  { platform: 'express', hasSessions: false },
  { platform: 'fastify', hasSessions: true },
];

/** @returns {Promise<Target[]>} */
export function startTargets(weather) {
  return Promise.all(SERVERS.map((server) => Target.start(server, weather)));
}

/** A server, in a process of its own. */
export class Target {
  /** The keys of which it has accepted a token. */
  acceptedKeys = new Set();
  /** @type {{ at: number, rss: number, handles: number, heap?: number }[]} */
  samples = [];
  /** Whether it ended by itself. */
  hasDied = false;

  static async start({ platform, hasSessions }, weather) {
    const child = fork(new URL('server.js', import.meta.url), {
      execArgv: ['--expose-gc'],
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.send({ platform, hasSessions, authorizationServers: weather.authorizationServers });
    const [{ url }] = await once(child, 'message');
    return new Target(child, `${platform}${hasSessions ? ', with sessions' : ''}`, url, hasSessions);
  }

  constructor(child, name, url, hasSessions) {
    this.child = child;
    this.name = name;
    this.url = url;
    this.endpoint = `${url}/mcp`;
    this.hasSessions = hasSessions;
    child.on('message', ({ kind, ...sample }) => {
      if (kind === 'sample') this.samples.push({ at: performance.now(), ...sample });
    });
    child.on('exit', () => (this.hasDied = true));
  }

  async stop() {
    if (this.hasDied) return;
    this.child.disconnect();
    await once(this.child, 'exit');
  }
}
