import { createClient, createCluster, createSentinel, type RedisClientOptions } from 'redis';
import { RedisServer } from './redis-server.js';
import { eventually } from './until.js';

export type NodeRedis = Awaited<ReturnType<typeof connectNodeRedis>>;

/** A client of the package `redis` that connects again quickly. */
export async function connectNodeRedis({ url }: RedisServer, options: RedisClientOptions = {}) {
  const client = createClient({ url, ...options, socket: { reconnectStrategy: 20 } });
  client.on('error', () => undefined);
  await client.connect();
  return { client, close: () => client.destroy() };
}

/** A `redis-server` with two clients, as of two replicas. */
export class RedisPair {
  private constructor(
    readonly server: RedisServer,
    private readonly connections: readonly [NodeRedis, NodeRedis],
  ) {}

  static async start(): Promise<RedisPair> {
    const server = await RedisServer.start();
    return new RedisPair(server, [await connectNodeRedis(server), await connectNodeRedis(server)]);
  }

  get clients(): readonly [NodeRedis['client'], NodeRedis['client']] {
    const [one, other] = this.connections;
    return [one.client, other.client];
  }

  /** Kills the server. Returns once both clients know. */
  async kill(): Promise<void> {
    await this.server.kill();
    await this.#areReady(false);
  }

  /** Starts the server again. Returns once both clients are connected. */
  async restart(): Promise<void> {
    await this.server.restart();
    await this.#areReady(true);
  }

  async close(): Promise<void> {
    for (const { close } of this.connections) close();
    await this.server.close();
  }

  #areReady(expected: boolean): Promise<void> {
    return eventually(() => {
      if (this.clients.some(({ isReady }) => isReady !== expected))
        throw new Error(`a client is not: ready ${expected}`);
    });
  }
}

/** A client of a cluster of one server, which serves all slots. */
export async function connectCluster(server: RedisServer) {
  const { client: admin, close } = await connectNodeRedis(server);
  if (!/cluster_slots_assigned:16384/.test(await admin.clusterInfo()))
    await admin.clusterAddSlotsRange({ start: 0, end: 16_383 });
  await eventually(async () => {
    if (!/cluster_state:ok/.test(await admin.clusterInfo())) throw new Error('the cluster is not ready');
  });
  close();
  const client = createCluster({ rootNodes: [{ url: server.url }] });
  client.on('error', () => undefined);
  await client.connect();
  return { client, close: () => client.destroy() };
}

/** A client that finds the server through a sentinel, which starts and ends with it. */
export async function connectSentinel(server: RedisServer) {
  const sentinel = await server.startSentinel();
  const client = createSentinel({
    name: 'main',
    sentinelRootNodes: [{ host: '127.0.0.1', port: sentinel.port }],
  });
  client.on('error', () => undefined);
  await client.connect();
  const close = async (): Promise<void> => {
    client.destroy();
    await sentinel.close();
  };
  return { client, close };
}
