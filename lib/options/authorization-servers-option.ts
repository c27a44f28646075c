import { showValue } from '../core/safe-text.js';
import { readAuthorizationServer, type ResolvedAuthorizationServer } from './authorization-server-options.js';
import { ambiguousPrefixes } from './introspection-options.js';
import type { OptionReader } from './option-reader.js';
import { repetitions } from './repetitions.js';

/** The authorization servers of a resource or of a tenant. */
export function readAuthorizationServers(option: OptionReader, isRequired: boolean): ResolvedAuthorizationServer[] {
  const servers = option.entries().map(readAuthorizationServer);
  if (servers.length === 0 && (isRequired || !isAbsentOrEmpty(option))) {
    const write = 'Name at least one issuer, such as ["https://login.example.com"]';
    option.refuse({ why: 'MCP requires at least one authorization server', write });
  }
  for (const issuer of repetitions(servers.map((server) => server.issuer).filter((one) => one !== ''))) {
    option.refuse({ seen: showValue(issuer), why: 'it is listed twice', write: 'List every issuer once' });
  }
  for (const prefix of ambiguousPrefixes(servers.flatMap(({ introspection }) => introspection?.tokenPrefix ?? []))) {
    const write = 'Give each `introspection.tokenPrefix` a beginning of its own';
    const why = 'tokens that begin like this could belong to two servers';
    option.refuse({ seen: showValue(prefix), why, write });
  }
  return servers;
}

function isAbsentOrEmpty({ isGiven, value }: OptionReader): boolean {
  return !isGiven || (Array.isArray(value) && value.length === 0);
}
