import { DpopKey } from './dpop-key.js';
import { initializeRequest } from './mcp-request.js';
import type { ProbeResult } from './probe-result.js';
import type { Prober } from './prober.js';
import { challengeError } from './read-challenge.js';

/** A token that is bound to a key, and what the doctor makes proofs with. */
export interface BoundToken {
  readonly token: string;
  /** The key of the token; undefined if the operator did not give it. */
  readonly key: DpopKey | undefined;
  /** An algorithm that the MCP server accepts; undefined if the doctor has no key for any. */
  readonly algorithm: string | undefined;
}

/** The answers of an MCP server to a token that is bound to a key; undefined for requests that were not sent. */
export interface BoundTokenAnswers {
  /** To the token as a Bearer token, without a proof. */
  readonly asBearer: ProbeResult;
  /** To a proof by a key that nobody knows. */
  readonly otherKey: ProbeResult | undefined;
  /** To a good proof, with the nonce that the server asked for. */
  readonly good: ProbeResult | undefined;
  /** To that same proof again. */
  readonly again: ProbeResult | undefined;
  /** To a proof for another URL. */
  readonly otherUrl: ProbeResult | undefined;
  /** The answer that asked for a nonce; undefined if none did. */
  readonly nonceAsked: ProbeResult | undefined;
}

/** Sends the token as its holder would, and as somebody would who has stolen it. */
export async function sendBoundToken(prober: Prober, url: string, bound: BoundToken): Promise<BoundTokenAnswers> {
  const asBearer = await prober.send(url, initializeRequest({ authorization: `Bearer ${bound.token}` }));
  const sender = new ProvingSender(prober, url, bound.token);
  const { key, algorithm } = bound;
  const good = key && (await sender.send(key));
  const proof = sender.lastProof;
  const again = key && (await sender.sendProof(proof));
  const otherUrl = key && (await sender.send(key, new URL('/nestjs-mcp-auth-doctor', url).href));
  const otherKey = algorithm === undefined ? undefined : await sender.send(await DpopKey.generate(algorithm));
  return { asBearer, good, again, otherUrl, otherKey, nonceAsked: sender.nonceAsked };
}

/** Sends a token with proofs, and repeats a request once if the server asks for a nonce (RFC 9449 §9). */
class ProvingSender {
  nonceAsked: ProbeResult | undefined;
  lastProof = '';
  #nonce: string | undefined;

  constructor(
    private readonly prober: Prober,
    private readonly url: string,
    private readonly token: string,
  ) {}

  async send(key: DpopKey, provenUrl = this.url): Promise<ProbeResult> {
    const first = await this.#sendProven(key, provenUrl);
    if (challengeError(first) !== 'use_dpop_nonce') return first;
    this.nonceAsked ??= first;
    return this.#sendProven(key, provenUrl);
  }

  async sendProof(proof: string): Promise<ProbeResult> {
    const headers = { authorization: `DPoP ${this.token}`, dpop: proof };
    const answer = await this.prober.send(this.url, initializeRequest(headers));
    if (answer.kind === 'answer') this.#nonce = answer.headers.get('dpop-nonce') ?? this.#nonce;
    return answer;
  }

  async #sendProven(key: DpopKey, url: string): Promise<ProbeResult> {
    const { token } = this;
    this.lastProof = await key.prove({ method: 'POST', url, token, nonce: this.#nonce, now: this.prober.now });
    return this.sendProof(this.lastProof);
  }
}
