import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestAddresses } from './test-addresses.js';
import type { TestDocuments } from './test-documents.js';
import { answer, answerJson, type TestFault } from './test-fault.js';
import { sendOutcome, sendToken, type AnswerSettings } from './test-introspection-answer.js';
import type { TestIntrospection } from './test-introspection.js';
import type { AnswerToken, TestTokenEndpoint } from './test-token-endpoint.js';
import type { FaultyEndpoint, RecordedRequest, TestEndpoint } from './test-issuer.options.js';

/** Settings that may change between requests. */
export interface RequestSettings extends AnswerSettings {
  /** Changes the answers of the token endpoint. */
  readonly answerToken: AnswerToken | undefined;
  /** Changes to the metadata. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Answers the requests to a `TestIssuer`, breaks endpoints on demand, and records the requests. */
export class TestRequests {
  readonly recorded: RecordedRequest[] = [];
  /** The last right answer of the token endpoint. */
  #issued: object | undefined;
  readonly #faults = new Map<FaultyEndpoint, { readonly fault: TestFault; turns: number }>();

  constructor(
    private readonly addresses: TestAddresses,
    private readonly documents: TestDocuments,
    /** Undefined if there is no introspection endpoint. */
    private readonly introspection: TestIntrospection | undefined,
    /** Undefined if the token endpoint answers 404. */
    private readonly tokenEndpoint: TestTokenEndpoint | undefined,
    private readonly settings: () => RequestSettings,
  ) {}

  fail(fault: TestFault, on: FaultyEndpoint | 'all'): void {
    for (const endpoint of ['metadata', 'jwks', 'introspection', 'token'] as const) {
      if (on === 'all' || on === endpoint) this.#faults.set(endpoint, { fault, turns: 0 });
    }
  }

  recover(): void {
    this.#faults.clear();
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET', url = '/', headers } = request;
    const place = this.addresses.placeOf(url);
    const endpoint = this.#endpointAt(place);
    if (endpoint === 'introspection' && this.introspection) {
      // The client closed the connection, or `answerIntrospection` of the test threw.
      return void this.#introspect(request, response, this.introspection).catch((error: Error) =>
        response.destroy(error),
      );
    }
    if (endpoint === 'token' && this.tokenEndpoint) {
      return void this.#issue(request, response, this.tokenEndpoint).catch((error: Error) => response.destroy(error));
    }
    this.recorded.push({ method, url, headers, endpoint });
    request.resume();
    if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
    if (endpoint === 'jwks') return this.#answer(endpoint, this.documents.keySet(), response);
    if (endpoint === 'metadata')
      return this.#answer(endpoint, this.documents.metadataAt(place, this.settings().metadata), response);
    answerJson(response, endpoint === 'canary' ? this.#canaryDocument(place) : undefined);
  }

  #endpointAt(place: string): TestEndpoint {
    const endpoint = this.addresses.endpointAt(place);
    if (endpoint === 'token' && !this.tokenEndpoint) return 'other';
    return endpoint === 'introspection' && !this.introspection ? 'other' : endpoint;
  }

  async #introspect(
    request: IncomingMessage,
    response: ServerResponse,
    introspection: TestIntrospection,
  ): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await textOf(request);
    this.recorded.push({ method, url, headers, endpoint: 'introspection', body });
    if (method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
    const outcome = await introspection.outcomeOf({ headers, body });
    const send = (): Promise<void> => sendOutcome(outcome, headers.accept, response, this.settings());
    if (!this.#faults.has('introspection')) return send();
    const document = outcome.kind === 'answer' ? outcome.answer : { error: outcome.error };
    this.#answer('introspection', document, response, send);
  }

  async #issue(request: IncomingMessage, response: ServerResponse, tokenEndpoint: TestTokenEndpoint): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const body = await textOf(request);
    this.recorded.push({ method, url, headers, endpoint: 'token', body });
    if (method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
    const form = new URLSearchParams(body);
    const outcome = await tokenEndpoint.outcomeOf(headers, form);
    this.#issued = outcome.body;
    const send = (): Promise<void> => sendToken(outcome, form, response, this.settings().answerToken);
    if (!this.#faults.has('token')) return send();
    this.#answer('token', outcome.body, response, send);
  }

  /** Answers as the fault of the endpoint says, if it has one. */
  #answer(
    endpoint: FaultyEndpoint,
    document: object | undefined,
    response: ServerResponse,
    send?: () => Promise<void>,
  ): void {
    const state = this.#faults.get(endpoint);
    const turn = state === undefined ? 0 : ++state.turns;
    const canaryUrl = this.addresses.canaryOf(endpoint);
    const sendRight = send && ((): void => void send().catch((error: Error) => response.destroy(error)));
    answer({ response, document, fault: state?.fault, turn, canaryUrl, sendRight });
  }

  #canaryDocument(place: string): object | undefined {
    if (place === this.addresses.canaryOf('introspection'))
      return { active: true, token_type: 'Bearer', ...this.documents.claims() };
    if (place === this.addresses.canaryOf('token')) return this.#issued;
    if (place === this.addresses.canaryOf('jwks')) return this.documents.keySet();
    return place === this.addresses.canaryOf('metadata')
      ? this.documents.metadata(this.settings().metadata)
      : undefined;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
