import type { OptionReader } from './option-reader.js';

/** Which routes the guard of the module protects by itself; see `McpAuthModuleExtras.globalGuard`. */
export type GlobalGuard = true | 'mcp' | false;

/** Refuses any other value: neither a falsy value nor a misspelt one may leave routes open. */
export function readGlobalGuard(option: OptionReader): GlobalGuard {
  return option.choice<GlobalGuard>([true, 'mcp', false]);
}
