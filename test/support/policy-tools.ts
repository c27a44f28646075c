import type { PolicyContext } from 'nestjs-mcp-auth';
import { givenTool } from './given-tool.js';

/** Not for clients that act for themselves. */
export const USER_ONLY = givenTool('user-only', { policies: [({ auth }) => auth.kind === 'user'] });

/** For callers whose token has the role `x`. */
export const ROLE_GATED = givenTool('role-gated', { policies: [hasRoleX] });

function hasRoleX({ auth }: PolicyContext): boolean {
  const roles = Object.hasOwn(auth.claims, 'roles') ? auth.claims['roles'] : [];
  return Array.isArray(roles) && roles.includes('x');
}
