import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { McpAuthInfo } from '../core/auth-info.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { Revocations } from '../revocation/revocations.js';

/** Ends WebSocket connections of admitted callers as soon as their token is revoked: the server may send on its own. */
@Injectable()
export class ConnectionEnd {
  readonly #watched = new WeakSet<Socket>();

  constructor(private readonly revocations: Revocations) {}

  /** Watches the connection of an upgrade request, once. Does nothing for other requests, or if nothing can be revoked. */
  watch(request: HttpRequest, auth: McpAuthInfo | undefined): void {
    if (!auth || !this.revocations.isOn) return;
    const { socket, headers } = nodeRequest(request) as HttpRequest & { readonly socket?: Socket };
    if (headers['upgrade'] === undefined || !socket || this.#watched.has(socket)) return;
    this.#watched.add(socket);
    const unwatch = this.revocations.watch(auth, () => socket.destroy());
    if (unwatch) socket.once('close', unwatch);
  }
}
