import { readResourceIdentifier, type ResourceIdentifier } from '../core/resource.js';
import { expandTemplate, isTemplate, readResourceTemplate, type ResourceTemplate } from '../core/resource-template.js';
import type { OptionReader } from './option-reader.js';
import { requireSecureUrl } from './url-option.js';

/** A resource identifier. With variables, its parts are those of the template as it is written. */
export interface IdentifierRead {
  readonly identifier: ResourceIdentifier;
  readonly template: ResourceTemplate | undefined;
}

/** The resource identifier; empty after a problem. */
export function readIdentifier(option: OptionReader): IdentifierRead {
  const write = 'Write the URL clients use, such as "https://mcp.example.com/mcp"';
  const { value } = option;
  if (typeof value !== 'string' || value === '') {
    option.refuse({ why: 'it is required: tokens must be issued for it, and clients look for it', write });
  } else if (isRoutePattern(value)) {
    refuseRoutePattern(option);
  } else if (isTemplate(value)) {
    const read = readResourceTemplate(value);
    if (!('problem' in read)) return acceptTemplate(option, read);
    const example =
      'Write variables as in "https://{tenant}.example.com/mcp" or "https://mcp.example.com/{tenant}/mcp"';
    option.refuse({ why: read.problem, write: example });
  } else {
    const read = readResourceIdentifier(value);
    if (!('problem' in read)) return { identifier: acceptIdentifier(option, read, read.value), template: undefined };
    option.refuse({ why: read.problem, write });
  }
  return { identifier: { value: '', origin: '', path: '' }, template: undefined };
}

function acceptTemplate(option: OptionReader, template: ResourceTemplate): IdentifierRead {
  const written = Object.fromEntries(template.names.map((name) => [name, `{${name}}`]));
  const example = Object.fromEntries(template.names.map((name) => [name, 'tenant']));
  const identifier = expandTemplate(template, written);
  return { identifier: acceptIdentifier(option, identifier, expandTemplate(template, example).value), template };
}

/** @param url the identifier, or an example if it has variables */
function acceptIdentifier(option: OptionReader, read: ResourceIdentifier, url: string): ResourceIdentifier {
  if (read.value !== option.value) {
    option.warn(`"${String(option.value)}" is used as "${read.value}": scheme and host are lower case`);
  }
  requireSecureUrl(option, url);
  return read;
}

/** Whether a segment of the path is a parameter or has a wildcard, as in routes of Express and Fastify. */
function isRoutePattern(resource: string): boolean {
  const [, path = ''] = /^[^/]*\/\/[^/]*(.*)$/s.exec(resource) ?? [];
  return path.split('/').some((segment) => /^:[A-Za-z_]|\*|%7B/i.test(segment));
}

function refuseRoutePattern(option: OptionReader): void {
  const why =
    'it looks like the pattern of a route, but a resource is one URL: it is compared whole with `aud`, and never matched';
  const write =
    'Write the URL of each resource under `resources`, such as "https://mcp.example.com/orgs/acme/mcp"; or, with the option ' +
    '`resolveTenant`, variables in braces: "https://mcp.example.com/orgs/{tenant}/mcp"';
  option.refuse({ why, write });
}
