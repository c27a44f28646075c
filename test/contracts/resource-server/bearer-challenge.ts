/** The parameters of the `Bearer` challenge of a `WWW-Authenticate` field. */
export interface BearerChallenge {
  readonly error?: string;
  readonly scope?: string;
  readonly resource_metadata?: string;
}

const NEXT_SCHEME = /,\s*(?=[\w!#$%&'*+.^`|~-]+ +[\w!#$%&'*+.^`|~-]+ *=)/;
const PARAMETER = /([\w!#$%&'*+.^`|~-]+) *= *(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;

/**
 * Finds the `Bearer` challenge in a field with one challenge or several. Enough to judge what clients see; it does not
 * refuse a field that breaks the grammar.
 */
export function bearerChallenge(field: string | null): BearerChallenge | undefined {
  const challenge = (field ?? '').split(NEXT_SCHEME).find((text) => /^\s*Bearer(?:\s|$)/i.test(text));
  if (challenge === undefined) return undefined;
  const parameters = [...challenge.matchAll(PARAMETER)].map(([, name = '', quoted, plain]) => [
    name.toLowerCase(),
    quoted?.replaceAll(/\\(.)/g, '$1') ?? plain,
  ]);
  return Object.fromEntries(parameters) as BearerChallenge;
}
