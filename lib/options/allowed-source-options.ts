import { showValue } from '../core/safe-text.js';
import { isAllowedHost, readAllowedOrigin } from '../request/origin.js';
import type { OptionReader } from './option-reader.js';

/** The option `allowedOrigins`. */
export function readAllowedOrigins(option: OptionReader): string[] {
  if (Array.isArray(option.value) && option.value.length === 0) return [];
  const write =
    'Write scheme, host and port in lower case, such as "https://app.example.com" or "tauri://localhost"; ' +
    'or a scheme alone, such as "vscode-webview:", if its hosts are not known beforehand';
  const origins = option.texts(write) ?? [];
  for (const origin of origins.filter((one) => !readAllowedOrigin(one))) {
    option.refuse({ seen: showValue(origin), why: 'must be an origin as browsers send it', write });
  }
  return origins;
}

/** The option `allowedHosts`. */
export function readAllowedHosts(option: OptionReader): string[] {
  if (Array.isArray(option.value) && option.value.length === 0) return [];
  const write = 'Write hosts as in a Host field, in lower case, such as "backend.example.net" or "10.0.0.5:8080"';
  const hosts = option.texts(write) ?? [];
  for (const host of hosts.filter((one) => !isAllowedHost(one))) {
    option.refuse({ seen: showValue(host), why: 'must be a host, with or without a port', write });
  }
  return hosts;
}
