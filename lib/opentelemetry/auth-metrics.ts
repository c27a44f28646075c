import type { Attributes, BatchObservableResult, Meter } from '@opentelemetry/api';
import type { IssuerHealth, IssuerHealthState } from '../mcp-auth.health.js';
import type { CompletedEvent, McpAuthEvent, TokenRequestedEvent } from '../observability/event-types.js';
import { failureOf, labelsOf } from './call-attributes.js';
import { ATTRIBUTES, DECISION_BUCKETS, OPERATION_BUCKETS, OTHER, STEP_UP_BUCKETS } from './semantic-conventions.js';

const STATES: readonly IssuerHealthState[] = ['ready', 'stale', 'not asked yet', 'not asked lately', 'unreachable'];

/** The configured authorization servers, by issuer. */
type Issuers = Readonly<Record<string, IssuerHealth>>;

/**
 * Turns events into metrics. Every attribute is from a closed set: resources, issuers and names of the configuration, reasons
 * and methods that are known. Other values are `_OTHER`.
 */
export class AuthMetrics {
  readonly #decisions;
  readonly #decisionDuration;
  readonly #operationDuration;
  readonly #stepUpDuration;
  readonly #outages;
  readonly #keyFetches;
  readonly #tokenRequests;
  readonly #state;
  readonly #keys;

  constructor(
    private readonly meter: Meter,
    private readonly issuers: () => Issuers,
  ) {
    this.#decisions = meter.createCounter('mcp_auth.decisions', {
      unit: '{decision}',
      description: 'Requests and calls that were admitted or refused.',
    });
    this.#decisionDuration = histogram(meter, 'mcp_auth.decision.duration', DECISION_BUCKETS, 'Time to decide.');
    this.#operationDuration = histogram(
      meter,
      'mcp.server.operation.duration',
      OPERATION_BUCKETS,
      'Time from the first check of an admitted MCP request or notification to the end of its answer.',
    );
    this.#stepUpDuration = histogram(
      meter,
      'mcp_auth.step_up.duration',
      STEP_UP_BUCKETS,
      'Time from the refusal of a caller who lacks scopes to the request with these scopes.',
    );
    this.#outages = meter.createCounter('mcp_auth.issuer.outages', {
      unit: '{outage}',
      description: 'Outages of authorization servers.',
    });
    this.#keyFetches = meter.createCounter('mcp_auth.issuer.key_fetches', {
      unit: '{fetch}',
      description: 'Successful fetches of the keys of an authorization server.',
    });
    this.#tokenRequests = histogram(
      meter,
      'mcp_auth.downstream.token_request.duration',
      OPERATION_BUCKETS,
      'Time to request a token for an API behind this server.',
    );
    this.#state = meter.createObservableUpDownCounter('mcp_auth.issuer.status', {
      unit: '1',
      description: '1 for the current state of an authorization server, 0 for the other states.',
    });
    this.#keys = meter.createObservableUpDownCounter('mcp_auth.issuer.keys', {
      unit: '{key}',
      description: 'Keys of an authorization server.',
    });
    meter.addBatchObservableCallback(this.#observe, [this.#state, this.#keys]);
  }

  /** Stops the observation of the authorization servers. */
  close(): void {
    this.meter.removeBatchObservableCallback(this.#observe, [this.#state, this.#keys]);
  }

  record(event: McpAuthEvent): void {
    switch (event.type) {
      case 'authenticated':
        return this.#decided('admitted', event);
      case 'anonymous':
        return this.#decided('anonymous', event);
      case 'refused':
        return this.#decided('refused', event, { [ATTRIBUTES.reason]: event.reason });
      case 'completed':
        return this.#completed(event);
      case 'step-up':
        return this.#stepUpDuration.record(event.afterMs / 1_000, { [ATTRIBUTES.resource]: event.resource });
      case 'issuer-unreachable':
        return this.#outages.add(1, { ...this.#issuer(event.issuer), [ATTRIBUTES.issuerPart]: event.what });
      case 'token-requested':
        return this.#tokenRequested(event);
      case 'keys-refreshed':
        return this.#keyFetches.add(1, this.#issuer(event.issuer));
    }
  }

  #tokenRequested({ downstream, issuer, outcome, durationMs }: TokenRequestedEvent): void {
    const attributes = { [ATTRIBUTES.downstream]: downstream, [ATTRIBUTES.outcome]: outcome };
    this.#tokenRequests.record(durationMs / 1_000, { ...attributes, ...this.#issuer(issuer) });
  }

  #decided(
    decision: string,
    { resource, durationMs }: { readonly resource: string; readonly durationMs: number | undefined },
    more: Attributes = {},
  ): void {
    const attributes = { [ATTRIBUTES.decision]: decision, [ATTRIBUTES.resource]: resource };
    this.#decisions.add(1, { ...attributes, ...more });
    if (durationMs !== undefined) this.#decisionDuration.record(durationMs / 1_000, attributes);
  }

  /** One measurement for each message. Responses to requests of the server are not operations. */
  #completed(event: CompletedEvent): void {
    const common = { [ATTRIBUTES.resource]: event.resource, [ATTRIBUTES.transport]: 'tcp', ...failureOf(event) };
    for (const message of event.messages) {
      if (message.method === undefined) continue;
      this.#operationDuration.record(event.durationMs / 1_000, { ...labelsOf(message), ...common });
    }
  }

  /** The application may look up any number of further issuers. */
  #issuer(issuer: string): Attributes {
    return { [ATTRIBUTES.issuer]: Object.hasOwn(this.issuers(), issuer) ? issuer : OTHER };
  }

  readonly #observe = (result: BatchObservableResult): void => {
    for (const [issuer, { state, keys }] of Object.entries(this.issuers())) {
      const attributes = { [ATTRIBUTES.issuer]: issuer };
      for (const one of STATES)
        result.observe(this.#state, one === state ? 1 : 0, { ...attributes, [ATTRIBUTES.issuerState]: one });
      if (keys !== undefined) result.observe(this.#keys, keys, attributes);
    }
  };
}

function histogram(meter: Meter, name: string, explicitBucketBoundaries: number[], description: string) {
  return meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });
}
