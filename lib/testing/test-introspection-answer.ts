import type { ServerResponse } from 'node:http';
import type { AnswerToken, TokenOutcome } from './test-token-endpoint.js';
import type { AnswerIntrospection, IntrospectionOutcome, SignedAnswerChanges } from './test-introspection.js';

const SIGNED_ANSWER = 'application/token-introspection+jwt';

/** How the introspection endpoint of a `TestIssuer` answers. */
export interface AnswerSettings {
  /** Changes the answer. */
  readonly answerIntrospection: AnswerIntrospection | undefined;
  /** Changes to signed answers; `never` sends plain JSON instead. */
  readonly signedAnswer: SignedAnswerChanges | 'never';
  /** Signs an answer (RFC 9701 §5). */
  readonly sign: (answer: unknown, changes: SignedAnswerChanges) => string;
}

/**
 * Sends an answer about a token, or a refusal.
 *
 * @param accept the `Accept` header of the request, which may ask for a signed answer
 */
export async function sendOutcome(
  outcome: IntrospectionOutcome,
  accept: string | undefined,
  response: ServerResponse,
  { answerIntrospection, signedAnswer, sign }: AnswerSettings,
): Promise<void> {
  if (outcome.kind === 'refusal') return sendRefusal(outcome, response);
  const answer = answerIntrospection ? answerIntrospection(outcome.answer, outcome.token) : outcome.answer;
  if (answer instanceof Response) return sendResponse(answer, response);
  const isSigned = signedAnswer !== 'never' && accept === SIGNED_ANSWER;
  response.writeHead(200, { 'content-type': isSigned ? SIGNED_ANSWER : 'application/json' });
  response.end(isSigned ? sign(answer, signedAnswer) : JSON.stringify(answer));
}

/** Sends the answer of a token endpoint. */
export async function sendToken(
  { status, body, nonce }: TokenOutcome,
  form: URLSearchParams,
  response: ServerResponse,
  answerToken: AnswerToken | undefined,
): Promise<void> {
  const changed = answerToken ? answerToken(body, form) : undefined;
  if (changed instanceof Response) return sendResponse(changed, response);
  const challenge = {
    ...(status === 401 && { 'www-authenticate': 'Basic realm="test"' }),
    ...(nonce !== undefined && { 'dpop-nonce': nonce }),
  };
  response.writeHead(answerToken ? 200 : status, { 'content-type': 'application/json', ...challenge });
  response.end(JSON.stringify(answerToken ? changed : body));
}

async function sendResponse(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
}

function sendRefusal(
  { status, error }: Extract<IntrospectionOutcome, { kind: 'refusal' }>,
  response: ServerResponse,
): void {
  const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="test"' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...challenge });
  response.end(JSON.stringify({ error }));
}
