import { McpController, Tool } from '@rekog/mcp-nest';
import { AuthInfo, Authorize, type McpAuthInfo, type PolicyContext, RequireScopes } from 'nestjs-mcp-auth';

/** The code of docs/guides/from-mcp-nest-auth.md. */

// #region after
const isAdmin = ({ auth }: PolicyContext) => {
  const { roles } = auth.claims;
  return Array.isArray(roles) && roles.includes('admin');
};

@McpController()
export class NotesTools {
  @Tool({ name: 'purge', description: 'Delete all notes' })
  @RequireScopes('notes:delete')
  @Authorize(isAdmin)
  purge(@AuthInfo() auth: McpAuthInfo) {
    return { purgedBy: auth.subject };
  }
}
// #endregion
