import type { CredentialCaller, CredentialOptions, VerifyCredential } from 'nestjs-mcp-auth';

/** Credentials of an application, as tests use them: which callers there are, and what was asked. */
export interface TestCredentials {
  /** For the option `credentials`: API keys in `x-api-key`, signed assertions in `x-gateway`, tokens that begin with `pat_`. */
  readonly options: CredentialOptions[];
  /** The callers by name of the credential and its text, with a space between. A test changes them. */
  readonly callers: Map<string, CredentialCaller>;
  /** The calls of `verify` so far: name of the credential, and its text. */
  readonly asked: [name: string, credential: string][];
  /** If set, `verify` does this instead. */
  answer: VerifyCredential | undefined;
}

export const API_KEY = 'K3y-of-alice/with+unusual=characters~0123456789';
export const OTHER_KEY = 'K3y-of-bob-0123456789';
export const ACCESS_TOKEN = 'pat_T0ken-of-alice.0123456789';
export const ASSERTION = 'A55ertion-about-alice.0123456789';

/** Every credential names the same subject, so that only its name tells the principals apart. */
export function testCredentials(more: Partial<CredentialOptions> = {}): TestCredentials {
  const alice = { subject: 'alice', scopes: ['a'] };
  const credentials: TestCredentials = {
    options: [],
    callers: new Map<string, CredentialCaller>([
      [`api-key ${API_KEY}`, { ...alice, clientId: 'script', kind: 'client', claims: { plan: 'team' } }],
      [`api-key ${OTHER_KEY}`, { subject: 'bob', scopes: ['a', 'b'] }],
      [`pat ${ACCESS_TOKEN}`, { ...alice, kind: 'user' }],
      [`gateway ${ASSERTION}`, alice],
    ]),
    asked: [],
    answer: undefined,
  };
  const verifyAs =
    (name: string): VerifyCredential =>
    (credential, context) => {
      credentials.asked.push([name, credential]);
      return credentials.answer
        ? credentials.answer(credential, context)
        : credentials.callers.get(`${name} ${credential}`);
    };
  credentials.options.push(
    { name: 'api-key', from: { header: 'x-api-key' }, verify: verifyAs('api-key'), ...more },
    { name: 'gateway', from: { header: 'x-gateway' }, verify: verifyAs('gateway'), ...more },
    { name: 'pat', from: { bearerPrefix: 'pat_' }, verify: verifyAs('pat'), ...more },
  );
  return credentials;
}
