import { expect, it } from '@jest/globals';
import { McpAuthConsentRequiredError } from 'nestjs-mcp-auth';
import { consentResult } from '../../lib/response/consent-answer.js';

// What the official SDK refuses before it calls a handler, other MCP frameworks may pass on to it.

const VERSION = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

const PARAMS = { mode: 'url', url: 'https://mcp.example.com/connect?consent=1', message: 'Needs access.' } as const;
const ERROR = new McpAuthConsentRequiredError('acme', { ...PARAMS, elicitationId: 'an-id' });
const AS_TEXT = { content: [{ type: 'text', text: ERROR.message }], isError: true };
const AS_REQUEST = {
  content: [],
  resultType: 'input_required',
  inputRequests: { 'consent-acme': { method: 'elicitation/create', params: PARAMS } },
};

const contextOf = (mcpReq: object, method = 'tools/call'): object => ({
  mcpRequest: { method },
  sdkContext: { mcpReq },
});
const envelopeWith = (capabilities: unknown): object => ({
  envelope: { [VERSION]: '2026-07-28', [CAPABILITIES]: capabilities },
});

it.each([
  ['no context', undefined],
  ['null', null],
  ['an empty context', {}],
  ['nothing of the SDK', { mcpRequest: { method: 'tools/call' } }],
  ['nothing of a request', { sdkContext: {} }],
  ['no envelope', contextOf({})],
  ['an envelope without a version', contextOf({ envelope: { [CAPABILITIES]: { elicitation: { url: {} } } } })],
])('the error is the answer where nothing says that the client is a modern one: %s', (_what, context) => {
  expect(consentResult(ERROR, context)).toBeUndefined();
});

it.each([
  ['nothing', undefined],
  ['null', null],
  ['text', 'elicitation'],
  ['no elicitation', {}],
  ['elicitation, but not how', { elicitation: true }],
  ['no way of elicitation', { elicitation: {} }],
  ['URLs, but as no object', { elicitation: { url: true } }],
  ['null for URLs', { elicitation: { url: null } }],
])('a modern client gets the link as text if it says of itself: %s', (_what, capabilities) => {
  expect(consentResult(ERROR, contextOf(envelopeWith(capabilities)))).toEqual(AS_TEXT);
});

it.each([
  ['was asked for nothing', {}],
  ['has answered nothing', { inputResponses: {} }],
  ['has answered about another third party', { inputResponses: { 'consent-other': { action: 'accept' } } }],
  // What every object has is no answer.
  ['has answered with inherited members', { inputResponses: Object.create({ 'consent-acme': {} }) as object }],
])('a modern client that opens URLs is asked if it %s', (_what, more) => {
  const context = contextOf({ ...envelopeWith({ elicitation: { url: {} } }), ...more });
  expect(consentResult(ERROR, context)).toEqual(AS_REQUEST);
});

it.each([
  ['a prompt', contextOf(envelopeWith({}), 'prompts/get')],
  ['a resource', contextOf(envelopeWith({}), 'resources/read')],
  ['what is not said', { sdkContext: { mcpReq: envelopeWith({}) } }],
])('the link is the message of an error where results cannot be errors: for %s', (_what, context) => {
  expect(() => consentResult(ERROR, context)).toThrow(new Error(ERROR.message));
});
