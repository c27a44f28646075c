import type { McpAuthInfo } from '../core/auth-info.js';
import type { TimeLimit } from '../core/deadline.js';
import { isRecord, ownMember } from '../core/record.js';
import { TokenAnswerError } from '../issuer/token-answer.js';
import type { TokenEndpoint } from '../issuer/token-endpoint.js';
import type { ResolvedDownstream } from '../options/downstream-options.js';
import type { ResolvedIdentityProvider, SubjectToken } from '../options/identity-provider-options.js';
import { askForToken, isSendableToken, TokenFunctionError } from './sendable-token.js';
import { idJagRequestFor } from './token-parameters.js';

/** The identity provider issued no ID-JAG. Tells its errors from those of the authorization server of the API. */
export class IdentityProviderError extends Error {
  override readonly name = 'IdentityProviderError';

  constructor(
    /** As thrown by {@link TokenEndpoint.request}. */
    override readonly cause: unknown,
  ) {
    super('the identity provider issued no ID-JAG', { cause });
  }
}

/** The application has no subject token for the caller: the user has to sign in again. */
export class SubjectTokenMissingError extends Error {
  override readonly name = 'SubjectTokenMissingError';
}

/** The identity provider of the callers of one API. Obtains ID-JAGs there, and remembers none: each is used once. */
export class IdentityProvider {
  constructor(
    private readonly api: ResolvedDownstream,
    private readonly options: ResolvedIdentityProvider,
    private readonly endpoint: Pick<TokenEndpoint, 'request'>,
    private readonly limit: TimeLimit,
  ) {}

  /**
   * An ID-JAG for a caller.
   *
   * @throws {SubjectTokenMissingError} if the user has to sign in first; {@link IdentityProviderError} if the identity provider
   * issues none; {@link TokenFunctionError} if the function of the application throws, or returns what it must not.
   */
  async grantFor(caller: McpAuthInfo): Promise<string> {
    const subject = await this.#subjectTokenOf(caller);
    try {
      const { token } = await this.endpoint.request(idJagRequestFor(this.api, subject));
      if (token === subject.token) throw new TokenAnswerError('it answered with the subject token', 'unsuitable');
      return token;
    } catch (error) {
      throw new IdentityProviderError(error);
    }
  }

  async #subjectTokenOf(caller: McpAuthInfo): Promise<SubjectToken> {
    const option = `downstream.${this.api.name}.identityProvider.subjectToken`;
    const found = await askForToken(option, () => this.options.subjectToken(caller), this.limit);
    if (found === undefined || found === null) throw new SubjectTokenMissingError();
    const [token, type] = isRecord(found) ? [ownMember(found, 'token'), ownMember(found, 'type')] : [];
    if (!isSendableToken(token) || (type !== 'id_token' && type !== 'refresh_token')) {
      const must = 'must return { token, type: "id_token" or "refresh_token" }';
      throw new TokenFunctionError(option, `${must}, and returned another value`);
    }
    if (token === caller.token)
      throw new TokenFunctionError(option, 'returned the access token of the caller, which is for this server alone');
    return { token, type };
  }
}
