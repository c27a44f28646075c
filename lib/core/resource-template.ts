import { parseUrl, readResourceIdentifier, type ResourceIdentifier } from './resource.js';

/** The values of the variables of a template, by name. */
export type ResourceVariables = Readonly<Record<string, string>>;

/** A label or a segment as it is written, or the variable that stands for it. */
type Part = string | { readonly variable: string };

/** A resource identifier with variables that {@link readResourceTemplate} accepted. */
export interface ResourceTemplate {
  /** With scheme and host in lower case, except for the names of variables. */
  readonly value: string;
  /** The names of the variables, in the order of the text. */
  readonly names: readonly string[];
  readonly scheme: 'https' | 'http';
  /** The labels of the host. */
  readonly labels: readonly Part[];
  /** Empty for the default port of the scheme. */
  readonly port: string;
  /** The segments of the path; empty if the template is only an origin. */
  readonly segments: readonly Part[];
  readonly hasHostVariables: boolean;
  readonly hasPathVariables: boolean;
}

/** A name that is an identifier in programs, so that it reads well in `variables.tenant`. */
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** A whole label or segment that is a variable. */
const VARIABLE = /^\{([^{}]*)\}$/;

/** Whether a text has a brace, and is therefore read as a template. */
export function isTemplate(value: string): boolean {
  return /[{}]/.test(value);
}

/**
 * Reads a resource identifier with variables, such as `https://{tenant}.example.com/mcp`, or says why it is invalid. A variable
 * stands for one whole label of the host, or for one whole segment of the path. The rest follows the rules of
 * {@link readResourceIdentifier}.
 */
export function readResourceTemplate(value: string): ResourceTemplate | { readonly problem: string } {
  const [, scheme, authority, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s.exec(value) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined)
    return { problem: 'must be an absolute URL' };
  const [, host = '', port = ''] = /^(.*?)(?::(\d*))?$/s.exec(authority) ?? [];
  const labels = host.split('.').map(partOf);
  const segments = rest === '' ? [] : rest.slice(1).split('/').map(partOf);
  const parts = [...labels, ...segments];
  const problem = problemOf(parts, labels);
  if (problem !== undefined) return { problem };
  // Names of variables as they are: what remains must be an identifier like any other.
  const example = value.replaceAll(/\{([^{}]*)\}/g, (_whole, name: string) => name.replaceAll('_', '-'));
  const read = readResourceIdentifier(example);
  if ('problem' in read) return read;
  const template = {
    names: parts.flatMap((part) => (typeof part === 'string' ? [] : part.variable)),
    scheme: scheme.toLowerCase() as ResourceTemplate['scheme'],
    labels: labels.map((part) => (typeof part === 'string' ? part.toLowerCase() : part)),
    port,
    segments,
    hasHostVariables: labels.some((part) => typeof part !== 'string'),
    hasPathVariables: segments.some((part) => typeof part !== 'string'),
  };
  return { ...template, value: textOf(template, (name) => `{${name}}`).value };
}

function partOf(text: string): Part {
  const [, variable] = VARIABLE.exec(text) ?? [];
  return variable === undefined ? text : { variable };
}

function problemOf(parts: readonly Part[], labels: readonly Part[]): string | undefined {
  const names = parts.flatMap((part) => (typeof part === 'string' ? [] : part.variable));
  if (parts.some((part) => typeof part === 'string' && isTemplate(part)))
    return 'a variable stands for one whole label of the host, or one whole segment of the path';
  if (!names.every((name) => NAME.test(name)))
    return 'the name of a variable is a letter, and then letters, digits or "_", at most 64 in all';
  if (new Set(names).size < names.length) return 'each variable may stand in it once';
  if (typeof labels.at(-1) !== 'string') return 'the last label of the host cannot be a variable';
  return undefined;
}

/** The identifier with these values in the place of the variables. */
export function expandTemplate(template: ResourceTemplate, variables: ResourceVariables): ResourceIdentifier {
  return textOf(template, (name) => variables[name] ?? '');
}

function textOf(
  { scheme, labels, port, segments }: Omit<ResourceTemplate, 'value'>,
  valueOf: (name: string) => string,
): ResourceIdentifier {
  const text = (part: Part): string => (typeof part === 'string' ? part : valueOf(part.variable));
  const origin = `${scheme}://${labels.map(text).join('.')}${port === '' ? '' : `:${port}`}`;
  const path = segments.map((part) => `/${text(part)}`).join('');
  return { value: origin + path, origin, path };
}

/** Replaces `{name}` in a text. The names must be those of the template. */
export function expandText(text: string, variables: ResourceVariables): string {
  return text.replaceAll(/\{([^{}]*)\}/g, (whole, name: string) =>
    Object.hasOwn(variables, name) ? (variables[name] as string) : whole,
  );
}

/** The variables that a text names, in the form `{name}`. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name);
}

/** One label of a host name (RFC 1123 §2.1), in lower case. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Unreserved characters only (RFC 3986 §2.3): such a segment has one spelling, so routers and this library read the same. */
const SEGMENT = /^[A-Za-z0-9._~-]{1,255}$/;

const MAX_HOST_LENGTH = 253;

/** A name that begins with `xn--` must be one that URLs may have; Node up to 22 refuses more of them than later versions. */
function isLabel(text: string): boolean {
  return (
    LABEL.test(text) && (!text.startsWith('xn--') || parseUrl(`http://${text}.example`)?.host === `${text}.example`)
  );
}

function isSegment(text: string): boolean {
  return SEGMENT.test(text) && !/^\.+$/.test(text);
}

/** Whether a value may stand for this variable: a label of a host in lower case, or a segment of a path. */
export function isVariableValue({ labels }: ResourceTemplate, name: string, value: string): boolean {
  const isOfHost = labels.some((part) => typeof part !== 'string' && part.variable === name);
  return isOfHost ? isLabel(value) : isSegment(value);
}

/**
 * The values of the variables in the host; undefined if the authority is none of this template. Compares in lower case (RFC 3986
 * §6.2.2.1).
 *
 * @param authority host and port of a request, as sent
 */
export function matchAuthority(
  { scheme, labels, port }: ResourceTemplate,
  authority: string,
): ResourceVariables | undefined {
  // Before lower case, which would turn some letters outside of ASCII into ASCII.
  const [, host, sentPort = ''] = /^([A-Za-z0-9.-]+)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  if (host === undefined || host.length > MAX_HOST_LENGTH) return undefined;
  if (sentPort !== port && !(port === '' && sentPort === (scheme === 'https' ? '443' : '80'))) return undefined;
  const sent = host.toLowerCase().split('.');
  return sent.length === labels.length ? valuesOf(labels, sent, isLabel) : undefined;
}

/** Spellings that routers and proxies read in several ways: dot segments, empty segments, encoded separators, and NUL. */
const AMBIGUOUS = /\\|\/\/|%(?:2e|2f|5c|00|25)|\/\.{1,2}(?:\/|$)/i;

/**
 * The values of the variables in the path; undefined if the path is not that of the template.
 *
 * @param path as sent
 * @param below whether paths below that of the template match, too
 */
export function matchPath({ segments }: ResourceTemplate, path: string, below: boolean): ResourceVariables | undefined {
  if (AMBIGUOUS.test(path)) return undefined;
  const sent = path === '' ? [] : path.slice(1).split('/');
  const isLongEnough = below ? sent.length >= segments.length : sent.length === segments.length;
  return isLongEnough ? valuesOf(segments, sent, isSegment) : undefined;
}

/** The values of the variables in a resource identifier of a tenant; undefined if it is none of this template. */
export function matchIdentifier(template: ResourceTemplate, identifier: string): ResourceVariables | undefined {
  const [, authority = '', path = ''] = /^[a-z]+:\/\/([^/?#]*)(.*)$/s.exec(identifier) ?? [];
  const ofHost = template.hasHostVariables ? matchAuthority(template, authority) : {};
  const ofPath = matchPath(template, path, false);
  const variables = ofHost && ofPath && { ...ofHost, ...ofPath };
  return variables && expandTemplate(template, variables).value === identifier ? variables : undefined;
}

/** Whether a path has the form of the template, even if the text in place of a variable cannot be its value. */
export function resemblesPath({ segments }: ResourceTemplate, path: string): boolean {
  const sent = path.slice(1).split('/');
  return sent.length === segments.length && segments.every((part, at) => typeof part !== 'string' || part === sent[at]);
}

function valuesOf(
  parts: readonly Part[],
  sent: readonly string[],
  isValue: (text: string) => boolean,
): ResourceVariables | undefined {
  const variables: Record<string, string> = {};
  for (const [at, part] of parts.entries()) {
    const text = sent[at] ?? '';
    if (typeof part === 'string' ? part !== text : !isValue(text)) return undefined;
    if (typeof part !== 'string') variables[part.variable] = text;
  }
  return variables;
}
