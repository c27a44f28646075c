import { BlockList, isIP } from 'node:net';
import { nodeRequest, type HttpRequest } from './http-message.js';

/** Stands for every process that connects through the Unix domain socket on which the application listens. */
export const UNIX_PEERS = 'unix';

/** An address, or a range in the notation of CIDR. */
const RANGE = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/;

interface Range {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Whether a text names peers: `unix`, an IP address, or a range of them that is not everybody. */
export function namesPeers(text: string): boolean {
  return text === UNIX_PEERS || rangeOf(text) !== undefined;
}

function rangeOf(text: string): Range | undefined {
  const [, address = '', length] = RANGE.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  return prefix >= 1 && prefix <= bits ? { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' } : undefined;
}

/** The used members of the socket of a connection. */
interface PeerSocket {
  readonly remoteAddress?: unknown;
  readonly server?: { address?(): unknown };
}

/**
 * Peers whose header fields are believed, by the address of their connection. Nothing that a client or a proxy sends as an
 * address counts (`X-Forwarded-For`, `Forwarded`).
 */
export class TrustedPeers {
  readonly #ranges = new BlockList();
  readonly #trustsUnix: boolean;

  /** @param texts for each of which {@link namesPeers} holds */
  constructor(texts: readonly string[]) {
    this.#trustsUnix = texts.includes(UNIX_PEERS);
    for (const { address, prefix, family } of texts.flatMap((text) => rangeOf(text) ?? []))
      this.#ranges.addSubnet(address, prefix, family);
  }

  /** Whether the connection of a request comes from one of them. False if that cannot be known. */
  includes(request: HttpRequest): boolean {
    const address = addressOf(request);
    if (address === undefined) return this.#trustsUnix && isOverUnixSocket(request);
    const version = isIP(address);
    // An IPv4 address in an IPv6 one (::ffff:10.0.0.1) is that IPv4 address to the list.
    return version !== 0 && this.#ranges.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The peer of a connection, for log lines. */
export function peerOf(request: HttpRequest): string {
  return addressOf(request) ?? (isOverUnixSocket(request) ? UNIX_PEERS : 'unknown');
}

/** The address, without the zone of a link-local one (`fe80::1%eth0`). */
function addressOf(request: HttpRequest): string | undefined {
  const address = socketOf(request)?.remoteAddress;
  return typeof address === 'string' ? address.replace(/%.*$/s, '') : undefined;
}

/** A socket that was closed has no address either, so the server is asked where it listens. */
function isOverUnixSocket(request: HttpRequest): boolean {
  return typeof socketOf(request)?.server?.address?.() === 'string';
}

function socketOf(request: HttpRequest): PeerSocket | undefined {
  return nodeRequest(request).socket as PeerSocket | undefined;
}
