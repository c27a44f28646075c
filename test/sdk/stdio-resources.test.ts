import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpAuthModule, ProtectedResource } from 'nestjs-mcp-auth';
import { McpSdkBridge, McpSdkModule, McpTool } from 'nestjs-mcp-auth/sdk';

@Injectable()
@ProtectedResource('open')
class OfOpen {
  @McpTool({ name: 'of-open' })
  run(): string {
    return 'ran';
  }
}

@Injectable()
@ProtectedResource('closed')
class OfClosed {
  @McpTool({ name: 'of-closed' })
  run(): string {
    return 'ran';
  }
}

@Injectable()
class OfNone {
  @McpTool({ name: 'of-none' })
  run(): string {
    return 'ran';
  }
}

const authorizationServers = ['https://as.example.com'];
const RESOURCES = {
  open: { id: 'open', resource: 'http://localhost:3000/open', authorizationServers },
  closed: {
    id: 'closed',
    resource: 'http://localhost:3000/closed',
    authorizationServers,
    scopes: { required: ['closed:base'] },
  },
};

describe.each<{ order: ('open' | 'closed')[] }>([{ order: ['open', 'closed'] }, { order: ['closed', 'open'] }])(
  "stdio: 'deny' with the resources $order, of which only closed needs a scope of everybody",
  ({ order }) => {
    it.each([
      ['of-open', 'ran'],
      ['of-closed', 'refused'],
      // It is reached by way of either.
      ['of-none', 'refused'],
    ])('%s, which declares nothing else, is %s', async (name, outcome) => {
      const resources = order.map((id) => RESOURCES[id]);
      const auth = McpAuthModule.forRoot({ checkAuthorizationServers: false, resources });
      const module = await Test.createTestingModule({
        imports: [auth, McpSdkModule],
        providers: [OfOpen, OfClosed, OfNone],
      }).compile();
      await module.init();
      const server = new McpServer({ name: 'test', version: '1.0.0' });
      module.get(McpSdkBridge).register(server, { stdio: true });
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      await server.connect(ours as never);
      const client = new Client({ name: 'test', version: '1.0.0' });
      await client.connect(theirs as never);
      const { content, isError } = (await client.callTool({ name })) as {
        content: { text: string }[];
        isError?: boolean;
      };
      await client.close();
      await module.close();
      expect(isError === true ? 'refused' : content[0]?.text).toBe(outcome);
    });
  },
);
