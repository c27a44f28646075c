import type { Attributes, Span } from '@opentelemetry/api';
import type { McpAuthEvent, McpMessageFacts } from '../observability/event-types.js';
import type { ResolvedOpenTelemetryOptions } from '../options/opentelemetry-options.js';
import { failureOf, spanAttributesOf } from './call-attributes.js';
import { ATTRIBUTES } from './semantic-conventions.js';

type SpanOptions = Pick<ResolvedOpenTelemetryOptions, 'principal' | 'toolArguments'>;

/** Sets what an event says of a request on its span. Leaves name and status of the span as they are. */
export function describeOnSpan(span: Span, event: McpAuthEvent, options: SpanOptions): void {
  if (span.isRecording()) span.setAttributes(attributesOf(event, options));
}

function attributesOf(event: McpAuthEvent, options: SpanOptions): Attributes {
  switch (event.type) {
    case 'authenticated':
      return { ...requestAttributes('admitted', event, options), ...callerAttributes(event, options) };
    case 'anonymous':
      return requestAttributes('anonymous', event, options);
    case 'refused':
      return {
        ...requestAttributes('refused', event, options),
        // Anyone can write a token that was not verified.
        ...(event.isVerified && callerAttributes(event, options)),
        [ATTRIBUTES.reason]: event.reason,
        [ATTRIBUTES.code]: event.code,
      };
    case 'completed':
      return { [ATTRIBUTES.outcome]: event.outcome, ...failureOf(event) };
    default:
      return {};
  }
}

function requestAttributes(
  decision: string,
  { resource, messages }: { readonly resource: string; readonly messages: readonly McpMessageFacts[] },
  { toolArguments }: SpanOptions,
): Attributes {
  const [message] = messages;
  // A batch has no one method.
  const ofMessage =
    message && messages.length === 1
      ? { ...spanAttributesOf(message), ...(toolArguments && argumentsOf(message)) }
      : {};
  return { [ATTRIBUTES.decision]: decision, [ATTRIBUTES.resource]: resource, ...ofMessage };
}

function argumentsOf({ kind, arguments: args }: McpMessageFacts): Attributes {
  return kind === 'tool' && args !== undefined ? { [ATTRIBUTES.toolArguments]: JSON.stringify(args) } : {};
}

interface CallerFacts {
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly principalKey: string | undefined;
  readonly scopes?: readonly string[];
}

/** Members that are undefined, and an empty client ID, say nothing. */
function callerAttributes({ issuer, clientId, principalKey, scopes }: CallerFacts, options: SpanOptions): Attributes {
  return {
    ...(issuer !== undefined && { [ATTRIBUTES.issuer]: issuer }),
    ...(clientId && { [ATTRIBUTES.clientId]: clientId }),
    ...(scopes && { [ATTRIBUTES.scopes]: [...scopes] }),
    ...(principalKey !== undefined && options.principal === 'hash' && { [ATTRIBUTES.userHash]: principalKey }),
  };
}
