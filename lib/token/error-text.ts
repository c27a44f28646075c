import { printable } from '../core/show-value.js';

/** Without the token, and without the parts of it that are long enough not to stand there by chance. The application may put into its errors what it likes. */
export function withoutToken(text: string, token: string): string {
  const secrets = [token, encodeURIComponent(Buffer.from(token).toString()), ...token.split('.').filter((part) => part.length >= 8)];
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

/** What was thrown in one line, without its cause. The application may throw anything, and put into it what clients sent. */
export function describeError(error: unknown): string {
  try {
    if (!(error instanceof Error)) return printable(String(error));
    return printable(error.name === 'Error' ? String(error.message) : `${error.name}: ${error.message}`);
  } catch {
    return 'what was thrown cannot be shown';
  }
}
