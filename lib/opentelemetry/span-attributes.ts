import type { Attributes, Span } from '@opentelemetry/api';
import type { McpAuthEvent, McpMessageFacts } from '../observability/event-types.js';
import { failureOf, spanAttributesOf } from './call-attributes.js';
import { ATTRIBUTES } from './semantic-conventions.js';

/** How spans name callers. */
type PrincipalOption = 'hash' | 'none';

/** Sets what an event says of a request on its span. Leaves name and status of the span as they are. */
export function describeOnSpan(span: Span, event: McpAuthEvent, principal: PrincipalOption): void {
  if (span.isRecording()) span.setAttributes(attributesOf(event, principal));
}

function attributesOf(event: McpAuthEvent, principal: PrincipalOption): Attributes {
  switch (event.type) {
    case 'authenticated':
      return { ...requestAttributes('admitted', event), ...callerAttributes(event, principal) };
    case 'anonymous':
      return requestAttributes('anonymous', event);
    case 'refused':
      return {
        ...requestAttributes('refused', event),
        // Anyone can write a token that was not verified.
        ...(event.isVerified && callerAttributes(event, principal)),
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
): Attributes {
  const [message] = messages;
  // A batch has no one method.
  const ofMessage = message && messages.length === 1 ? spanAttributesOf(message) : {};
  return { [ATTRIBUTES.decision]: decision, [ATTRIBUTES.resource]: resource, ...ofMessage };
}

interface CallerFacts {
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly principalKey: string | undefined;
  readonly scopes?: readonly string[];
}

/** Members that are undefined, and an empty client ID, say nothing. */
function callerAttributes(
  { issuer, clientId, principalKey, scopes }: CallerFacts,
  principal: PrincipalOption,
): Attributes {
  return {
    ...(issuer !== undefined && { [ATTRIBUTES.issuer]: issuer }),
    ...(clientId && { [ATTRIBUTES.clientId]: clientId }),
    ...(scopes && { [ATTRIBUTES.scopes]: [...scopes] }),
    ...(principalKey !== undefined && principal === 'hash' && { [ATTRIBUTES.userHash]: principalKey }),
  };
}
