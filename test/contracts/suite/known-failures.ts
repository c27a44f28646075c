/**
 * The checks of the suite that do not pass, each with the reason. A check that fails and is not here fails the test, and so
 * does one that is here and passes.
 */

/** Which servers fail it, at which versions. */
interface KnownFailures {
  readonly reason: string;
  /** Both servers fail these. */
  readonly both?: readonly string[];
  /** Only the quick start fails these. */
  readonly quickStart?: readonly string[];
  /** Only the server with the fixtures fails these. */
  readonly fixtures?: readonly string[];
}

const AT_2025_11_25: readonly KnownFailures[] = [
  {
    reason: 'The fixtures lack what the scenario calls. It is about the framework, not about authorization.',
    both: [
      'elicitation-sep1034-defaults:elicitation-sep1034-general',
      'elicitation-sep1330-enums:elicitation-sep1330-general',
      'json-schema-2020-12:json-schema-2020-12-tool-found',
    ],
  },
  {
    reason: 'The framework serves the method only where a server has completions or subscriptions.',
    both: [
      'completion-complete:completion-complete',
      'resources-subscribe:resources-subscribe',
      'resources-unsubscribe:resources-unsubscribe',
    ],
  },
  {
    reason: 'The transport of the framework sends no event that a client could resume from (a SHOULD).',
    fixtures: ['server-sse-polling:server-sse-priming-event', 'server-sse-polling:server-sse-retry-field'],
  },
  {
    reason: 'The quick start has four tools of its own, neither resources nor prompts.',
    quickStart: [
      'prompts-get-embedded-resource:prompts-get-embedded-resource',
      'prompts-get-simple:prompts-get-simple',
      'prompts-get-with-args:prompts-get-with-args',
      'prompts-get-with-image:prompts-get-with-image',
      'prompts-list:prompts-list',
      'resources-list:resources-list',
      'resources-read-binary:resources-read-binary',
      'resources-read-text:resources-read-text',
      'resources-templates-read:resources-templates-read',
      'tools-call-audio:tools-call-audio',
      'tools-call-elicitation:tools-call-elicitation',
      'tools-call-embedded-resource:tools-call-embedded-resource',
      'tools-call-error:tools-call-error',
      'tools-call-image:tools-call-image',
      'tools-call-mixed-content:tools-call-mixed-content',
      'tools-call-sampling:tools-call-sampling',
      'tools-call-simple-text:tools-call-simple-text',
      'tools-call-with-logging:tools-call-with-logging',
      'tools-call-with-progress:tools-call-with-progress',
    ],
  },
  {
    reason: 'The quick start has no sessions unless SESSIONS=true.',
    quickStart: [
      'server-sse-multiple-streams:server-sse-multiple-streams-session',
      'server-sse-polling:server-sse-polling-session',
    ],
  },
];

const AT_2026_07_28: readonly KnownFailures[] = [
  {
    reason: 'The fixtures lack what the scenario calls. It is about the framework, not about authorization.',
    both: [
      'json-schema-2020-12:json-schema-2020-12-tool-found',
      'server-stateless:sep-2575-http-server-no-independent-requests-on-stream',
      'server-stateless:sep-2575-missing-capability-http-400',
      'server-stateless:sep-2575-server-no-log-without-loglevel',
      'server-stateless:sep-2575-server-rejects-undeclared-capability',
    ],
  },
  {
    reason: 'The framework serves the method only where a server has completions or subscriptions.',
    both: ['completion-complete:completion-complete'],
  },
  {
    reason: 'The framework has no tasks, and the fixtures no tools that create any.',
    both: [
      'tasks-capability-negotiation:sep-2663-server-rejects-undeclared-client',
      'tasks-capability-negotiation:sep-2663-tasks-methods-non-declaring',
      'tasks-capability-negotiation:tasks-extension-advertised',
      'tasks-capability-negotiation:tasks-per-request-meta-opt-in',
      'tasks-dispatch-and-envelope:sep-2663-durable-create-strong-consistency',
      'tasks-dispatch-and-envelope:sep-2663-legacy-task-param-ignored',
      'tasks-dispatch-and-envelope:tasks-immediate-result-shortcut',
      'tasks-dispatch-and-envelope:tasks-result-type-complete-on-non-task-responses',
      'tasks-dispatch-and-envelope:tasks-server-directed-creation-no-hint',
      'tasks-lifecycle:sep-2663-cancel-ack-empty-result',
      'tasks-lifecycle:sep-2663-result-type-task-on-create',
      'tasks-lifecycle:sep-2663-tasks-get-status-completed',
      'tasks-lifecycle:sep-2663-tasks-get-status-failed',
      'tasks-lifecycle:sep-2663-tasks-get-status-working',
      'tasks-lifecycle:sep-2663-tool-error-uses-completed-status',
      'tasks-lifecycle:tasks-cancel-terminal-idempotent-ack',
      'tasks-lifecycle:tasks-sync-tool-call',
      'tasks-mrtr-composition:sep-2663-mrtr-synchronous-before-task-creation',
      'tasks-mrtr-input:sep-2663-tasks-get-status-input-required',
      'tasks-mrtr-input:tasks-mrtr-partial-fulfillment',
      'tasks-mrtr-input:tasks-mrtr-tasks-update-resumes',
      'tasks-request-headers:sep-2663-routing-headers-accepted-on-tasks-get',
      'tasks-request-headers:sep-2663-server-rejects-mismatched-mcp-name-on-tasks-get',
      'tasks-request-headers:tasks-headers-tolerate-mcp-method-on-tools-call',
      'tasks-request-state-removal:tasks-request-state-removal-setup',
      'tasks-required-task-error:sep-2663-server-returns-missing-capability-when-required',
      'tasks-wire-fields:tasks-no-early-ttl-expiry',
      'tasks-wire-fields:tasks-no-related-task-meta-on-inlined-result',
      'tasks-wire-fields:tasks-wire-field-renames',
    ],
  },
  {
    reason:
      'The guard answers -32602 for a task that does not exist, as for one of another principal, before the framework can say -32601.',
    both: ['tasks-dispatch-and-envelope:sep-2663-tasks-result-removed-method-not-found'],
  },
  {
    reason: 'The framework has no results that ask for input (SEP-2322).',
    both: [
      'input-required-result-basic-elicitation:sep-2322-elicitation-incomplete',
      'input-required-result-basic-list-roots:sep-2322-list-roots-incomplete',
      'input-required-result-basic-sampling:sep-2322-sampling-incomplete',
      'input-required-result-capability-check:sep-2322-respect-client-capabilities',
      'input-required-result-ignore-extra-params:sep-2322-ignore-unexpected-params',
      'input-required-result-missing-input-response:sep-2322-missing-response-rerequests',
      'input-required-result-multi-round:sep-2322-multi-round-r1',
      'input-required-result-multiple-input-requests:sep-2322-multiple-inputs-incomplete',
      'input-required-result-non-tool-request:sep-2322-non-tool-incomplete',
      'input-required-result-request-state:sep-2322-request-state-incomplete',
      'input-required-result-result-type:sep-2322-result-type-included',
      'input-required-result-tampered-state:sep-2322-reject-tampered-state',
    ],
  },
  {
    reason: 'No tool has a parameter that is repeated in a header (SEP-2243).',
    both: [
      'http-custom-header-server-validation:sep-2243-server-decode-base64',
      'http-custom-header-server-validation:sep-2243-server-no-xmcp-tool',
      'http-custom-header-server-validation:sep-2243-server-reject-invalid-param-chars',
      'http-custom-header-server-validation:sep-2243-server-reject-param-mismatch',
      'http-custom-header-server-validation:sep-2243-server-validate-param-match',
    ],
  },
  {
    reason: 'The framework does not tell subscribers that a list has changed (a SHOULD).',
    both: ['server-stateless:sep-2575-server-sends-tools-list-changed-on-subscription'],
    fixtures: ['server-stateless:sep-2575-server-sends-prompts-list-changed-on-subscription'],
  },
  {
    reason: 'The framework does not repeat the URI in the error for an unknown resource (a SHOULD).',
    both: ['sep-2164-resource-not-found:sep-2164-data-uri'],
  },
  {
    reason: 'The quick start has four tools of its own, neither resources nor prompts.',
    quickStart: [
      'caching:sep-2549-prompts-list-caching-hints',
      'caching:sep-2549-resources-list-caching-hints',
      'caching:sep-2549-resources-templates-list-caching-hints',
      'prompts-get-embedded-resource:prompts-get-embedded-resource',
      'prompts-get-simple:prompts-get-simple',
      'prompts-get-with-args:prompts-get-with-args',
      'prompts-get-with-image:prompts-get-with-image',
      'prompts-list:prompts-list',
      'resources-list:resources-list',
      'resources-read-binary:resources-read-binary',
      'resources-read-text:resources-read-text',
      'resources-templates-read:resources-templates-read',
      'sep-2164-resource-not-found:sep-2164-error-code',
      'tools-call-audio:tools-call-audio',
      'tools-call-embedded-resource:tools-call-embedded-resource',
      'tools-call-error:tools-call-error',
      'tools-call-image:tools-call-image',
      'tools-call-mixed-content:tools-call-mixed-content',
      'tools-call-simple-text:tools-call-simple-text',
      'tools-call-with-progress:tools-call-with-progress',
    ],
  },
];

const failuresOf = (known: readonly KnownFailures[], server: 'quickStart' | 'fixtures'): readonly string[] =>
  known.flatMap(({ both = [], [server]: own = [] }) => [...both, ...own]);

export const FAILURES_OF_FIXTURES = {
  '2025-11-25': failuresOf(AT_2025_11_25, 'fixtures'),
  '2026-07-28': failuresOf(AT_2026_07_28, 'fixtures'),
};

export const FAILURES_OF_QUICK_START = {
  '2025-11-25': failuresOf(AT_2025_11_25, 'quickStart'),
  '2026-07-28': failuresOf(AT_2026_07_28, 'quickStart'),
};
