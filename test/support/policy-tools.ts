import type { PolicyContext } from 'nestjs-mcp-auth';
import { givenTool } from './given-tool.js';

/** A tool for users only, not for clients that act for themselves. */
export const USER_ONLY = givenTool('user-only', { policies: [({ auth }) => auth.kind === 'user'] });

/** A tool for callers with the role `x` in their token. */
export const ROLE_GATED = givenTool('role-gated', { policies: [hasRoleX] });

function hasRoleX({ auth }: PolicyContext): boolean {
  const roles = Object.hasOwn(auth.claims, 'roles') ? auth.claims['roles'] : [];
  return Array.isArray(roles) && roles.includes('x');
}
