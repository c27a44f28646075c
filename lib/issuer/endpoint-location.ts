import { OutboundError } from './outbound-error.js';
import type { Purpose } from './purpose.js';

/** An endpoint that is found in the metadata. */
export interface DiscoveredEndpoint {
  url(purpose: Purpose): Promise<string>;
  /** Forgets the URL, since it no longer works: the server may have moved the endpoint. */
  forget(): void;
}

/** Where an endpoint is. */
export class EndpointLocation {
  constructor(
    /** The URL, or how to find it. */
    private readonly endpoint: string | DiscoveredEndpoint,
  ) {}

  async url(purpose: Purpose): Promise<string> {
    return typeof this.endpoint === 'string' ? this.endpoint : this.endpoint.url(purpose);
  }

  /** A request to the endpoint has failed. Forgets a URL that was found, if nothing answers there any more. */
  failed(error: unknown): void {
    if (typeof this.endpoint === 'string' || !(error instanceof OutboundError)) return;
    if (error.status === undefined || error.status === 404 || error.status === 410) this.endpoint.forget();
  }
}
