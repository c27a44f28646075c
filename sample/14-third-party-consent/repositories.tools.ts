import { Injectable } from '@nestjs/common';
import { AuthInfo, McpAuthConsents, type McpAuthInfo } from 'nestjs-mcp-auth';
import { McpTool } from 'nestjs-mcp-auth/sdk';
import { AcmeService, type AcmeTokens } from './acme.service.js';

@Injectable()
export class RepositoriesTools {
  constructor(
    private readonly consents: McpAuthConsents,
    private readonly acme: AcmeService,
  ) {}

  // #region tool
  @McpTool({ name: 'list-repositories', description: 'List your repositories at Acme Code' })
  async listRepositories(@AuthInfo() caller: McpAuthInfo) {
    const target = { to: 'acme', message: 'Let this server list your repositories at Acme Code.' };
    const tokens = await this.consents.tokenFor<AcmeTokens>(caller, target);
    const repositories = await this.acme.repositories(tokens);
    if (repositories !== undefined) return { repositories };
    // The user took the permission back there, or it has expired: ask again.
    await this.consents.forgetToken(caller, 'acme');
    return this.consents.tokenFor(caller, target);
  }
  // #endregion
}
