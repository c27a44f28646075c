import type { FetchLike } from '@modelcontextprotocol/client';
import { parseChallenges } from 'nestjs-mcp-auth/testing';

/** One HTTP request of the client and its answer. Keeps no request headers and no bodies, and therefore no secrets. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  /** The JSON-RPC method, with the name of the tool that it calls. */
  readonly operation: string | undefined;
  readonly status: number;
  readonly statusText: string;
  /** The parameters of a `WWW-Authenticate: Bearer` answer; of the scheme DPoP, where the server accepts only that. */
  readonly challenge: Readonly<Record<string, string>> | undefined;
}

/** A `fetch` for the SDK's transport that records the exchanges. */
export class RecordedExchanges {
  #exchanges: Exchange[] = [];

  readonly fetch: FetchLike = async (url, init) => {
    const response = await fetch(url, init);
    this.#exchanges.push({
      method: init?.method ?? 'GET',
      url: new URL(url),
      operation: operationOf(init?.body),
      status: response.status,
      statusText: response.statusText,
      challenge: challengeOf(response.headers.get('www-authenticate')),
    });
    return response;
  };

  /** Takes the oldest exchange. */
  next(): Exchange {
    const [exchange] = this.#exchanges.splice(0, 1);
    if (!exchange) throw new Error('The client sent no request');
    return exchange;
  }

  /** Takes all exchanges. */
  take(): Exchange[] {
    return this.#exchanges.splice(0);
  }
}

function operationOf(body: unknown): string | undefined {
  if (typeof body !== 'string' || !body.startsWith('{"')) return undefined;
  const { jsonrpc, method, params } = JSON.parse(body) as {
    jsonrpc?: string;
    method?: string;
    params?: { name?: string };
  };
  return jsonrpc ? [method, params?.name].filter(Boolean).join(' ') : undefined;
}

function challengeOf(header: string | null): Record<string, string> | undefined {
  const challenges = header === null ? [] : parseChallenges(header);
  const challenge = ['Bearer', 'DPoP'].flatMap((name) => challenges.find(({ scheme }) => scheme === name) ?? [])[0];
  return challenge && { ...challenge.params };
}
