import { request } from 'node:http';
import { TestDpopKey, TestIssuer, type TestProofFault, type TestProofOptions } from 'nestjs-mcp-auth/testing';
import { MCP_2026_META, mcp2026Headers } from './mcp-2026.js';

/** A check of the scenario, with the names that it has there. */
export interface ScenarioCheck {
  readonly id: string;
  readonly name: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'UNTESTABLE';
  /** What the server answered. */
  readonly seen: string;
}

/** What the scenario is told about the server under test. */
export interface ScenarioSettings {
  readonly serverUrl: string;
  readonly specVersion: '2025-11-25' | '2026-07-28';
  /** Stands for `DPOP_ISSUER` and `DPOP_ISSUER_PRIVATE_JWK`: the issuer that the server trusts. */
  readonly issuer: TestIssuer;
  /** The time by the clock of the server, in seconds, which the scenario takes from `Date`. */
  readonly serverTime: () => number;
}

interface Answer {
  readonly status: number;
  readonly challenge: string;
  readonly nonce: string | undefined;
}

const VALIDATE = 'sep-1932-server-validate-proof';
const WINDOW = 'sep-1932-server-iat-window';
const ASYMMETRIC = 'sep-1932-asymmetric-alg-only';

/** Proofs with a fault of the test key, by the name of their check. */
const FAULTY: readonly (readonly [name: string, fault: TestProofFault, id: string])[] = [
  ['RejectsTamperedSignature', 'changed-signature', VALIDATE],
  ['RejectsMissingJti', 'without-jti', VALIDATE],
  ['RejectsWrongTyp', 'wrong-type', VALIDATE],
  ['RejectsHtuMismatch', 'other-url', VALIDATE],
  ['RejectsHtmMismatch', 'other-method', VALIDATE],
  ['RejectsPrivateKeyInJwk', 'private-key', VALIDATE],
  ['RejectsWrongAth', 'other-token', VALIDATE],
  ['RejectsMissingHtm', 'without-htm', VALIDATE],
  ['RejectsMissingHtu', 'without-htu', VALIDATE],
  ['RejectsMissingIat', 'without-iat', VALIDATE],
  ['RejectsMissingJwk', 'without-key', VALIDATE],
  ['RejectsAthAbsent', 'without-ath', VALIDATE],
  ['RejectsMalformedProof', 'not-a-jwt', VALIDATE],
  ['RejectsAlgNone', 'unsigned', ASYMMETRIC],
  ['RejectsAlgSymmetric', 'shared-secret', ASYMMETRIC],
];

/** How far outside of the window of five minutes the proofs are that the scenario sends, in seconds. */
const OUTSIDE_SECONDS = 303;

/**
 * The scenario `auth/dpop-server-validation` of the MCP conformance suite, as it is proposed for SEP-1932: a client with a key
 * that sends one good proof, and one bad proof for each check. Every proof has the last nonce that the server gave out.
 */
export class DpopScenario {
  readonly #checks: ScenarioCheck[] = [];
  #nonce: string | undefined;
  #isGoodAccepted = false;

  private constructor(
    private readonly settings: ScenarioSettings,
    private readonly key: TestDpopKey,
    private readonly token: string,
  ) {}

  static async run(settings: ScenarioSettings): Promise<readonly ScenarioCheck[]> {
    const key = await TestDpopKey.generate();
    const token = await settings.issuer.mint({ aud: settings.serverUrl, cnf: key.confirmation });
    const scenario = new DpopScenario(settings, key, token);
    await scenario.#run();
    return scenario.#checks;
  }

  async #run(): Promise<void> {
    await this.#acceptsGood();
    for (const [name, fault, id] of FAULTY) await this.#rejects(id, name, await this.#sendProof({ fault }));
    const two = [this.#proof({}), this.#proof({})];
    await this.#rejects(VALIDATE, 'RejectsDuplicateDpopHeader', await this.#send(`DPoP ${this.token}`, two));
    await this.#rejectsTokens();
    await this.#rejectsTimes();
    await this.#rejects(
      'sep-1932-server-reject-401',
      'RejectsWith401Challenge',
      await this.#sendProof({ fault: 'changed-signature' }),
    );
    await this.#checksNonces();
  }

  /** Sends a good proof, and once more with the nonce if the server asks for one. */
  async #acceptsGood(): Promise<void> {
    const first = await this.#sendProof({});
    const last = first.challenge.includes('use_dpop_nonce') ? await this.#sendProof({}) : first;
    this.#isGoodAccepted = isAccepted(last);
    this.#add(VALIDATE, 'AcceptsValidProof', this.#isGoodAccepted ? 'SUCCESS' : 'FAILURE', last);
  }

  async #rejectsTokens(): Promise<void> {
    const bearer = await this.#send(`Bearer ${this.token}`, [this.#proof({})]);
    const downgrade = 'sep-1932-server-reject-bearer-downgrade';
    await this.#rejects(downgrade, 'RejectsBearerScheme', bearer, /(?:^|,)\s*(?:bearer|dpop)(?:\s|$|,)/i);
    const { issuer, serverUrl } = this.settings;
    const foreign = await TestDpopKey.generate();
    const ofOther = await issuer.mint({ aud: serverUrl, cnf: foreign.confirmation });
    await this.#rejects(VALIDATE, 'RejectsCnfJktMismatch', await this.#sendProof({ token: ofOther }));
    const aud = 'https://not-this-server.example.com/mcp';
    const elsewhere = await issuer.mint({ aud, cnf: this.key.confirmation });
    await this.#rejects(
      'sep-1932-server-audience-validation',
      'RejectsWrongAudience',
      await this.#sendProof({ token: elsewhere }),
    );
  }

  async #rejectsTimes(): Promise<void> {
    for (const [name, seconds] of [
      ['RejectsStaleIat', -OUTSIDE_SECONDS],
      ['RejectsFutureIat', OUTSIDE_SECONDS],
    ] as const) {
      const iat = Math.floor(this.settings.serverTime()) + seconds;
      await this.#rejects(WINDOW, name, await this.#sendProof({ claims: { iat } }));
    }
  }

  /** A server that asks for nonces must accept its own, and no other. */
  async #checksNonces(): Promise<void> {
    const [id, name] = ['sep-1932-server-nonce', 'NonceFlow'] as const;
    this.#nonce = undefined;
    const first = await this.#sendProof({});
    if (!first.challenge.includes('use_dpop_nonce')) return this.#add(id, name, 'SKIPPED', first);
    if (first.nonce === undefined) return this.#add(id, name, 'WARNING', first);
    const retry = await this.#sendProof({ nonce: first.nonce });
    const wrong = await this.#sendProof({ nonce: 'definitely-not-the-server-nonce' });
    const isRight = isAccepted(retry) && wrong.status === 401 && DPOP_CHALLENGE.test(wrong.challenge);
    this.#add(id, name, isRight ? 'SUCCESS' : 'WARNING', wrong);
  }

  /** Without a good proof that was accepted, a refusal shows nothing. Nor does one that only asks for another nonce. */
  async #rejects(id: string, name: string, answer: Answer, challenge = DPOP_CHALLENGE): Promise<void> {
    const isTestable = this.#isGoodAccepted && !answer.challenge.includes('use_dpop_nonce');
    const isRight = answer.status === 401 && challenge.test(answer.challenge);
    this.#add(id, name, !isTestable ? 'UNTESTABLE' : isRight ? 'SUCCESS' : 'FAILURE', answer);
  }

  #add(id: string, name: string, status: ScenarioCheck['status'], { status: code, challenge }: Answer): void {
    this.#checks.push({ id, name, status, seen: `${code} ${challenge}` });
  }

  #proof({ token = this.token, claims, ...changes }: Partial<TestProofOptions>): string {
    const { serverUrl, serverTime } = this.settings;
    const nonce = this.#nonce === undefined ? {} : { nonce: this.#nonce };
    const iat = Math.floor(serverTime());
    return this.key.proof({ method: 'POST', url: serverUrl, token, ...nonce, claims: { iat, ...claims }, ...changes });
  }

  #sendProof(changes: Partial<TestProofOptions>): Promise<Answer> {
    return this.#send(`DPoP ${changes.token ?? this.token}`, [this.#proof(changes)]);
  }

  async #send(authorization: string, proofs: readonly string[]): Promise<Answer> {
    const { headers, body } = probeOf(this.settings.specVersion);
    const answer = await post(this.settings.serverUrl, { ...headers, authorization, dpop: proofs }, body);
    this.#nonce = answer.nonce ?? this.#nonce;
    return answer;
  }
}

const DPOP_CHALLENGE = /(?:^|,)\s*dpop(?:\s|$|,)/i;

function isAccepted({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function probeOf(specVersion: ScenarioSettings['specVersion']): { headers: Record<string, string>; body: string } {
  const type = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const message = { jsonrpc: '2.0', id: 1 };
  if (specVersion === '2026-07-28') {
    const method = 'server/discover';
    const body = JSON.stringify({ ...message, method, params: { _meta: MCP_2026_META } });
    return { headers: { ...type, ...mcp2026Headers(method) }, body };
  }
  const clientInfo = { name: 'conformance-dpop-server-test', version: '1.0.0' };
  const params = { protocolVersion: specVersion, capabilities: {}, clientInfo };
  return { headers: type, body: JSON.stringify({ ...message, method: 'initialize', params }) };
}

/** Unlike `fetch`, it sends a header field with two values twice. */
function post(
  url: string,
  headers: Readonly<Record<string, string | readonly string[]>>,
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) } });
    sent.on('error', reject);
    sent.on('response', (response) => {
      response.resume();
      const { 'www-authenticate': challenge = '', 'dpop-nonce': nonce } = response.headers;
      resolve({ status: response.statusCode ?? 0, challenge, nonce: Array.isArray(nonce) ? nonce[0] : nonce });
    });
    sent.end(body);
  });
}
