import { Controller, Get, type Type } from '@nestjs/common';
import { McpController, Prompt, Resource, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { RequireAnyScope, RequireScopes } from 'nestjs-mcp-auth';

/** Handlers of every kind, in addition to those of the notes server. */
export function catalogue(ran: () => string[]): Type[] {
  const done = (name: string): object => {
    ran().push(name);
    return { content: [{ type: 'text', text: name }] };
  };
  const contents = (uri: string): object => {
    ran().push(uri);
    return { contents: [{ uri, text: uri }] };
  };

  @McpController()
  class CatalogueTools {
    @Tool({ name: 'read', description: 'Needs notes:read' })
    @RequireScopes('notes:read')
    read(): object {
      return done('read');
    }

    @Tool({ name: 'write', description: 'Needs notes:write' })
    @RequireScopes('notes:write')
    write(): object {
      return done('write');
    }

    @Tool({ name: 'either', description: 'Needs one of two' })
    @RequireAnyScope('notes:read', 'audit')
    either(): object {
      return done('either');
    }

    @Resource({ uri: 'notes://all', name: 'all' })
    @RequireScopes('notes:read')
    all(): object {
      return contents('notes://all');
    }

    @ResourceTemplate({ uriTemplate: 'note://by-id/{id}', name: 'one' })
    @RequireScopes('notes:read')
    one(): object {
      return contents('note://by-id');
    }

    @Prompt({ name: 'summary', description: 'Needs notes:read' })
    @RequireScopes('notes:read')
    summary(): object {
      ran().push('summary');
      return { messages: [{ role: 'user', content: { type: 'text', text: 'Sum up' } }] };
    }
  }

  @McpController()
  @RequireScopes('audit')
  class AuditTools {
    @Tool({ name: 'audit-list', description: 'Needs audit, as its class says' })
    list(): object {
      return done('audit-list');
    }

    @Tool({ name: 'audit-erase', description: 'Needs audit and erase' })
    @RequireScopes('erase')
    erase(): object {
      return done('audit-erase');
    }
  }

  @Controller('catalogue')
  class CatalogueController {
    @Get()
    @RequireScopes('notes:read')
    get(): object {
      return done('catalogue');
    }
  }
  return [CatalogueTools, AuditTools, CatalogueController];
}
