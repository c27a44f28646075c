/** Without the token, and without the parts of it that are long enough not to stand there by chance. The application may put into its errors what it likes. */
export function withoutToken(text: string, token: string): string {
  const secrets = [token, ...token.split('.').filter((part) => part.length >= 8)];
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

/** An error in one line, without its cause. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}
