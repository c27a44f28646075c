import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CallerProof } from '../core/auth-info.js';
import { Clock } from '../core/clock.js';
import { McpAuthError, unavailable } from '../core/error.js';
import type { VerifiedToken } from '../core/token-verifier.js';
import type { ResolvedDpop } from '../options/dpop-options.js';
import { ResolvedOptions } from '../options/options.js';
import { configuredResource, type ResolvedResource } from '../options/resource-options.js';
import { fieldValues, type HeaderSource } from '../request/header-fields.js';
import { nodeRequest, type HttpRequest } from '../request/http-message.js';
import { MemoryReplayStore } from '../shared-state/memory-replay-store.js';
import { ReportedReplayStore } from '../shared-state/reported-replay-store.js';
import type { ReplayStore } from '../shared-state/replay-store.js';
import { StoreReports } from '../shared-state/store-reports.js';
import { DpopNonces } from './dpop-nonces.js';
import { badProof, verifyDpopProof, type DpopProof } from './dpop-proof.js';
import { ProofQuota } from './proof-quota.js';
import { requestUri } from './proof-target.js';
import { boundThumbprint } from './thumbprint.js';

/** What is kept for a resource that accepts DPoP. */
interface DpopState {
  readonly dpop: ResolvedDpop;
  readonly nonces: DpopNonces | undefined;
  readonly replays: ReplayStore;
  readonly quota: ProofQuota;
}

/** The check of a proof, and what it was about. */
interface RememberedCheck {
  readonly token: string;
  readonly text: string;
  readonly thumbprint: string;
  readonly resourceId: string;
  readonly check: Promise<CallerProof>;
}

/** Checks whether the sender of a token holds the key to which it is bound. Does not verify the token. */
@Injectable()
export class ProofOfPossession {
  /** By configured resource: the tenants of a resource share what is kept. A proof names the URI of one of them. */
  readonly #states = new Map<ResolvedResource, DpopState>();
  /**
   * The check of the proof that came with a request. Several handlers may run for one request, even at once, and a WebSocket
   * connection has one request for all its messages: its proof is checked and counted once. A check that found nothing out is not kept.
   */
  readonly #checks = new WeakMap<object, RememberedCheck>();

  constructor(
    options: ResolvedOptions,
    private readonly clock: Clock,
    reports: StoreReports,
  ) {
    const now = (): number => clock.now();
    for (const resource of options.resources) {
      const { dpop } = resource;
      if (dpop) this.#states.set(resource, stateOf(resource, dpop, now, reports));
    }
  }

  /** Asks the stores of the application whether they can be used, and reports what they say. Never rejects. */
  async checkStores(): Promise<void> {
    for (const { replays } of this.#states.values()) await replays.check?.();
  }

  /** The nonce that a proof for this resource should have now; undefined if none is needed. */
  nonceFor(resource: ResolvedResource): string | undefined {
    return this.#states.get(configuredResource(resource))?.nonces?.current;
  }

  /**
   * Refuses a token that came with the scheme Bearer, but is bound to a key or has to be.
   *
   * @throws {McpAuthError} `invalid_token`
   * @see RFC 9449 §7.2
   */
  checkBearer({ claims }: VerifiedToken, { dpop }: ResolvedResource): void {
    if (!dpop) return;
    if (boundThumbprint(claims, 'jkt') !== undefined)
      throw new McpAuthError('invalid_token', 'bound_token_without_proof');
    if (dpop.mode === 'required') throw new McpAuthError('invalid_token', 'unbound_token');
  }

  /**
   * Checks the proof that came with a token of the scheme DPoP, and counts it: it cannot be used again.
   *
   * @throws {McpAuthError} `invalid_token`, `invalid_dpop_proof`, `use_dpop_nonce`, `too_many_requests`, or
   * `temporarily_unavailable` when it is not known whether the proof was used before.
   */
  async checkDpop(credentials: BoundCredentials): Promise<CallerProof> {
    const { token, verified, resource } = credentials;
    const thumbprint = boundThumbprint(verified.claims, 'jkt');
    if (thumbprint === undefined) throw new McpAuthError('invalid_token', 'unbound_token');
    const text = proofIn(credentials.source);
    const source = nodeRequest(credentials.request);
    const known = this.#checks.get(source);
    const isSame = known?.token === token && known.text === text && known.thumbprint === thumbprint;
    if (isSame && known.resourceId === resource.id) return known.check;
    const check = this.#check(text, thumbprint, credentials);
    this.#checks.set(source, { token, text, thumbprint, resourceId: resource.id, check });
    try {
      return await check;
    } catch (error) {
      if (isPassing(error) && this.#checks.get(source)?.check === check) this.#checks.delete(source);
      throw error;
    }
  }

  async #check(text: string, thumbprint: string, credentials: BoundCredentials): Promise<CallerProof> {
    const { token, resource, request, certificateThumbprint } = credentials;
    const state = this.#states.get(configuredResource(resource)) as DpopState;
    // Before the signature is verified, which takes longest. Nobody else can have used up what the key may send.
    state.quota.check(thumbprint);
    const uri = requestUri(request, resource.identifier);
    const proof = await verifyDpopProof(text, {
      method: nodeRequest(request).method,
      uri,
      token,
      thumbprint,
      algorithms: state.dpop.algorithms,
      windowSeconds: state.dpop.proofSeconds,
      now: this.clock.now() / 1000,
    });
    checkNonce(proof, state);
    // Last of all checks: nobody else can use up the ids of a client.
    if (!(await isFirst({ proof, thumbprint, uri, state }))) throw badProof('proof_replayed');
    return Object.freeze({ method: 'dpop', keyThumbprint: thumbprint, certificateThumbprint });
  }
}

/** Whether a refusal says nothing about the proof: the client shall try again, on a WebSocket connection with the same proof. */
function isPassing(error: unknown): boolean {
  return error instanceof McpAuthError && ['temporarily_unavailable', 'too_many_requests'].includes(error.code);
}

function checkNonce({ nonce }: DpopProof, { nonces }: DpopState): void {
  if (!nonces || (nonce !== undefined && nonces.isFresh(nonce))) return;
  throw new McpAuthError('use_dpop_nonce', 'nonce_needed');
}

/** A token of the scheme DPoP, with the request that it came with. */
export interface BoundCredentials {
  readonly token: string;
  readonly verified: VerifiedToken;
  /** It must accept DPoP. */
  readonly resource: ResolvedResource;
  /** The header fields with the proof. */
  readonly source: HeaderSource;
  /** The request that the proof must be for. */
  readonly request: HttpRequest;
  /** The thumbprint of the certificate that the sender has shown, and to which the token is bound, too. */
  readonly certificateThumbprint: string | undefined;
}

/**
 * How much longer a used proof is remembered than it is accepted, in seconds: the clock of a shared store, or of another replica,
 * may differ from this one.
 */
const CLOCK_MARGIN_SECONDS = 60;

interface CountedProof {
  readonly proof: DpopProof;
  readonly thumbprint: string;
  readonly uri: string;
  readonly state: DpopState;
}

async function isFirst({ proof, thumbprint, uri, state }: CountedProof): Promise<boolean> {
  const key = hash('sha256', JSON.stringify([thumbprint, proof.jti, uri]), 'base64url');
  // Whole numbers: `iat` may have fractions, and stores such as Redis refuse them.
  const until = Math.ceil((proof.issuedAt + state.dpop.proofSeconds + CLOCK_MARGIN_SECONDS) * 1000);
  const madeAt = Math.floor(proof.issuedAt * 1000);
  try {
    const isAbsent = await state.replays.insertOnce(key, until, madeAt);
    if (isAbsent) state.quota.add(thumbprint, until);
    return isAbsent;
  } catch (cause) {
    throw unavailable('replay_undecided', cause);
  }
}

/** The one proof of a request. Node joins repeated fields with commas, which no proof contains. */
function proofIn(source: HeaderSource): string {
  const values = fieldValues(source, 'dpop');
  const [text] = values;
  if (text === undefined) throw badProof('proof_missing');
  if (values.length > 1 || text.includes(',')) throw badProof('proof_repeated');
  return text;
}

function stateOf(
  { identifier }: ResolvedResource,
  dpop: ResolvedDpop,
  now: () => number,
  reports: StoreReports,
): DpopState {
  const { nonce, replayStore, maxProofs, maxProofsPerKey } = dpop;
  return {
    dpop,
    nonces: nonce && new DpopNonces(nonce.secrets, identifier.value, nonce.seconds, now),
    quota: new ProofQuota(maxProofsPerKey, maxProofs, now),
    replays: replayStore
      ? new ReportedReplayStore(replayStore, 'dpop.replayStore', reports)
      : new MemoryReplayStore(maxProofs, now),
  };
}
