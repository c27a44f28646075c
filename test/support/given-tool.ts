import { applyDecorators, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { McpController, Tool, type ToolOptions } from '@rekog/mcp-nest';
import { Authorize, Public, RequireScopes } from 'nestjs-mcp-auth';

/** What the tool of a test requires of its callers, and its arguments. */
export interface ToolNeeds {
  readonly scopes?: readonly [string, ...string[]];
  readonly policies?: readonly Parameters<typeof Authorize>[0][];
  readonly isPublic?: boolean;
  /** @default none */
  readonly parameters?: NonNullable<ToolOptions['parameters']>;
}

/** The tool of a test: one of `tools` of `startNotesServer`. */
export interface GivenTool {
  readonly name: string;
  readonly needs: ToolNeeds;
  readonly handler: (args: unknown) => unknown;
}

/** Defines a tool, such as `givenTool('erase', { scopes: ['admin'] })`. The default handler answers `result of erase`. */
export function givenTool(
  name: string,
  needs: ToolNeeds = {},
  handler: GivenTool['handler'] = () => ({ content: [{ type: 'text', text: `result of ${name}` }] }),
): GivenTool {
  return { name, needs, handler };
}

/** The tool as a controller. It adds its name to `ran` when it runs. */
export function toolController({ name, needs, handler }: GivenTool, ran: string[]): Type {
  @McpController()
  class GivenTools {
    @Tool({ name, description: `The tool ${name}`, ...(needs.parameters && { parameters: needs.parameters }) })
    @applyDecorators(...decoratorsOf(needs))
    run(@Payload() args: unknown): unknown {
      ran.push(name);
      return handler(args);
    }
  }
  return GivenTools;
}

function decoratorsOf({ scopes, policies = [], isPublic }: ToolNeeds): MethodDecorator[] {
  return [
    ...(isPublic ? [Public()] : []),
    ...(scopes ? [RequireScopes(...scopes)] : []),
    ...policies.map((policy) => Authorize(policy)),
  ];
}
