import type { MintOptions } from 'nestjs-mcp-auth/testing';
import type { McpAuthReason } from '../../lib/core/error.js';
import type { Lab } from './lab.js';

/** A token that must be refused, and for which of its defects: one that is refused for another proves nothing. */
export interface Attack {
  readonly name: string;
  readonly reason: McpAuthReason;
  readonly token: (lab: Lab) => string | Promise<string>;
}

export function attack(name: string, reason: McpAuthReason, token: Attack['token']): Attack {
  return { name, reason, token };
}

/** One attack for each value, named by it. */
export function attacks<T>(
  what: string,
  reason: McpAuthReason,
  values: readonly T[],
  token: (lab: Lab, value: T) => string | Promise<string>,
): Attack[] {
  return values.map((value) => attack(`${what} ${nameOf(value)}`, reason, (lab) => token(lab, value)));
}

/** One attack for each entry, named by its key. */
export function namedAttacks<T>(
  what: string,
  reason: McpAuthReason,
  values: Readonly<Record<string, T>>,
  token: (lab: Lab, value: T) => string | Promise<string>,
): Attack[] {
  return Object.entries(values).map(([name, value]) => attack(`${what}: ${name}`, reason, (lab) => token(lab, value)));
}

/** A token that is good but for these claims; `undefined` removes one. */
export function claiming(
  lab: Lab,
  claims: Readonly<Record<string, unknown>>,
  options: MintOptions = {},
): Promise<string> {
  return lab.server.mint(claims, options);
}

/** A token that is good but for these members of its header; `undefined` removes one. */
export function headed(
  lab: Lab,
  header: Readonly<Record<string, unknown>>,
  options: MintOptions = {},
): Promise<string> {
  return lab.server.mint({}, { header, ...options });
}

/** A value in the name of a test: short, on one line, and with everything invisible escaped. */
export function nameOf(value: unknown): string {
  if (value === undefined) return 'undefined';
  const text = JSON.stringify(value).replaceAll(/[^\x20-\x7E]/g, escaped);
  return text.length > 90 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
