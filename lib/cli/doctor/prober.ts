import { BlockList, isIP } from 'node:net';
import { isSecureOrLocal, parseUrl } from '../../core/resource.js';
import { OutboundError } from '../../issuer/outbound-error.js';
import type { OutboundLimits, OutboundRequest } from '../../issuer/outbound.js';
import { probe, type ProbedAnswer } from '../../issuer/probe.js';
import type { Secrets } from './secrets.js';
import { documentOf, type ProbeResult } from './probe-result.js';

export interface ProberSettings {
  /** The URL that the operator named. Other URLs on this machine are requested only if this one is on it, too. */
  readonly target: URL;
  readonly limits: OutboundLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The secrets that are removed from every answer before anything reads it. */
  readonly secrets: Secrets;
}

/**
 * Sends requests as a client would, and never throws. Sends none over plain http to other machines, except to the server
 * that the operator named. Sends none to this machine for a server elsewhere, which could otherwise reach services that
 * only this machine can reach.
 */
export class Prober {
  constructor(private readonly settings: ProberSettings) {}

  /** Milliseconds since the epoch. */
  get now(): number {
    return this.settings.now();
  }

  get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<ProbeResult> {
    return this.send(url, { method: 'GET', headers: { accept: 'application/json', ...headers } });
  }

  async send(url: string, request: OutboundRequest): Promise<ProbeResult> {
    const refusal = this.whyNotAsked(url);
    if (refusal !== undefined) return { kind: 'no-answer', url, why: `not asked: ${refusal}` };
    return this.#exchange(url, request);
  }

  /**
   * Requests an https URL over plain http, without any secret, to see what happens if a user leaves out the "s". Undefined
   * if the URL names a port, which does not serve plain http.
   */
  async plainTwin(url: string): Promise<ProbeResult | undefined> {
    const { protocol, port } = new URL(url);
    if (protocol !== 'https:' || port !== '') return undefined;
    return this.#exchange(url.replace(/^https:/i, 'http:'), { method: 'GET', headers: {} });
  }

  /**
   * Sends a request for a token. Also returns the JSON object in the answer as it came, if the status is 200, for what takes no token
   * out of it; the answer itself then has no body.
   */
  async sendForToken(
    url: string,
    request: OutboundRequest,
  ): Promise<{ readonly seen: ProbeResult; readonly body: Readonly<Record<string, unknown>> | undefined }> {
    const refusal = this.whyNotAsked(url);
    if (refusal !== undefined)
      return { seen: { kind: 'no-answer', url, why: `not asked: ${refusal}` }, body: undefined };
    const raw = await this.#ask(url, request);
    if (raw.kind === 'no-answer') return { seen: raw, body: undefined };
    const seen = { ...raw, ...this.#withoutSecrets(raw) };
    const body = documentOf(raw);
    return { seen: body ? { ...seen, text: '' } : seen, body };
  }

  async #exchange(url: string, request: OutboundRequest): Promise<ProbeResult> {
    const raw = await this.#ask(url, request);
    return raw.kind === 'answer' ? { ...raw, ...this.#withoutSecrets(raw) } : raw;
  }

  /** The answer with the secrets that a server may return. */
  async #ask(url: string, request: OutboundRequest): Promise<ProbeResult> {
    const askedAt = this.settings.now();
    try {
      const answer = await probe(url, request, this.settings.limits);
      return { kind: 'answer', url, ...answer, askedAt, cameAt: this.settings.now() };
    } catch (error) {
      return { kind: 'no-answer', url, why: error instanceof OutboundError ? error.what : 'no answer' };
    }
  }

  /** Why this URL must not be requested; undefined if it may be. */
  whyNotAsked(url: string): string | undefined {
    const { target } = this.settings;
    const parsed = parseUrl(url);
    if (!parsed) return 'it must be an absolute URL';
    if (parsed.origin === target.origin) return undefined;
    if (leadsHere(parsed) && !leadsHere(target)) return 'it is on this machine, and who named it is not';
    return isSecureOrLocal(parsed) ? undefined : 'it is not https';
  }

  /** Removes secrets from an answer, because a server may return what it received. */
  #withoutSecrets(answer: ProbedAnswer): Pick<ProbedAnswer, 'headers' | 'text' | 'contentType'> {
    const clean = (text: string): string => this.settings.secrets.removeFrom(text);
    const headers = new Headers();
    for (const [name, value] of answer.headers) headers.append(name, clean(value));
    return { headers, text: clean(answer.text), contentType: clean(answer.contentType) };
  }
}

/** Addresses of this machine, in IPv4 and as IPv6 maps or embeds them; the unspecified address leads here on most systems. */
const HERE = new BlockList();
HERE.addSubnet('127.0.0.0', 8, 'ipv4');
HERE.addAddress('0.0.0.0', 'ipv4');
HERE.addSubnet('::', 96, 'ipv6');

/** Whether the host of a URL could lead to this machine. Covers more hosts than those that may use plain http. */
function leadsHere({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$|\.$/g, '');
  const family = isIP(host);
  if (family !== 0) return HERE.check(host, family === 4 ? 'ipv4' : 'ipv6');
  return host === 'localhost' || host.endsWith('.localhost');
}
