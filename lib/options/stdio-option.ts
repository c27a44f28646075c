import { isRecord } from '../core/record.js';
import type { OptionReader } from './option-reader.js';

/** The option `stdio`. */
export function readStdio(option: OptionReader): 'deny' | 'trust' | { readonly tokenEnv: string } {
  const { value } = option;
  if (value === undefined || value === 'deny') return 'deny';
  if (value === 'trust') {
    option.warn('is "trust": over stdio, nothing is checked');
    return value;
  }
  const tokenEnv = isRecord(value) && Object.keys(value).join() === 'tokenEnv' ? value['tokenEnv'] : undefined;
  if (typeof tokenEnv === 'string' && tokenEnv !== '') return { tokenEnv };
  option.refuse({ why: 'is not a known value', write: 'Write "deny", "trust" or { tokenEnv: "MCP_ACCESS_TOKEN" }' });
  return 'deny';
}
