/** Longer URIs are left to the check at the handler: what matching costs grows faster than the length. */
const MAX_URI_LENGTH = 2048;

/**
 * The keys under which a URI may be known: without scheme, case, trailing slash and, in the second, query. MCP
 * frameworks are that generous when they look for a resource, so that the decision before dispatch has to be as well:
 * a URI that one of them takes for a resource must not pass for another one here.
 */
export function uriKeys(uri: string): string[] {
  if (uri.length > MAX_URI_LENGTH) return [];
  const rest = withoutScheme(uri).toLowerCase();
  return [...new Set([rest, rest.split('?', 1)[0] ?? ''].map((key) => key.replace(/\/$/, '')))];
}

/**
 * Matches URIs against a template of the forms `{name}`, `{+name}`, `{name*}` and `{?name,…}` (RFC 6570), as
 * generously as {@link uriKeys}.
 */
export function templateMatcher(template: string): (uri: string) => boolean {
  const pattern = withoutScheme(template)
    .replace(/\{\?[^}]*\}/g, '')
    .split(/(\{[^}]*\})/)
    .map((part) => (part.startsWith('{') ? expression(part) : escape(part)))
    .join('');
  const matcher = new RegExp(`^${pattern}/?$`, 'is');
  return (uri) => uriKeys(uri).some((key) => matcher.test(key));
}

/** Whether the text holds an expression, so that it stands for many URIs. */
export function isUriTemplate(text: string): boolean {
  return text.includes('{');
}

function expression(part: string): string {
  return /^\{[+#/]|\*\}$/.test(part) ? '.+' : '[^/]+';
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

/** What stands between the first `://` and the next, as MCP frameworks cut it. */
function withoutScheme(uri: string): string {
  return uri.includes('://') ? (uri.split('://')[1] ?? '') : uri;
}
