import { setTimeout as sleep } from 'node:timers/promises';
import { Ctx, Payload } from '@nestjs/microservices';
import { McpContext, McpController, Prompt, Resource, ResourceTemplate, Tool } from '@rekog/mcp-nest';
import { z } from 'zod';
import { Authorize, RequireScopes, type PolicyContext } from 'nestjs-mcp-auth';

/** The fixtures that the scenarios of the MCP conformance suite call, by the names that it gives them. */

/** A picture of one pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** A sound without samples. */
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const EMPTY = z.object({});
const text = (value: string) => ({ type: 'text' as const, text: value });
const picture = { type: 'image', data: PNG, mimeType: 'image/png' };
const embedded = (uri: string, mimeType: string, value: string) => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});
const scope = (name: string) => `mcp:conformance:${name}`;
const user = (content: object) => ({ role: 'user' as const, content });
const scopes = (first: string, ...others: string[]) => RequireScopes(scope(first), ...others.map(scope));

/** The scope of one resource of the template. */
function templateScope({ args }: PolicyContext): string[] {
  return [`mcp:conformance:resources:template:${(args as { id: string }).id}`];
}

@McpController()
export class ToolFixtures {
  @Tool({ name: 'test_simple_text', description: 'Answers text', parameters: EMPTY })
  @scopes('tools:call', 'tools:test_simple_text')
  simpleText() {
    return { content: [text('This is a simple text response for testing.')] };
  }

  @Tool({ name: 'test_image_content', description: 'Answers a picture', parameters: EMPTY })
  image() {
    return { content: [picture] };
  }

  @Tool({ name: 'test_audio_content', description: 'Answers a sound', parameters: EMPTY })
  audio() {
    return { content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] };
  }

  @Tool({ name: 'test_embedded_resource', description: 'Answers a resource', parameters: EMPTY })
  embedded() {
    return { content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')] };
  }

  @Tool({ name: 'test_multiple_content_types', description: 'Answers content of several types', parameters: EMPTY })
  several() {
    const resource = embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}');
    return { content: [text('Multiple content types test:'), picture, resource] };
  }

  @Tool({ name: 'test_tool_with_logging', description: 'Sends log messages', parameters: EMPTY })
  async logs(@Ctx() context: McpContext) {
    for (const message of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await context.log.info(message);
    }
    return { content: [text('done')] };
  }

  @Tool({ name: 'test_tool_with_progress', description: 'Reports its progress', parameters: EMPTY })
  async progresses(@Ctx() context: McpContext) {
    // The suite asks for a tool that takes some time, and misses what comes with the result.
    for (const progress of [0, 50, 100]) {
      await context.reportProgress({ progress, total: 100 });
      await sleep(50);
    }
    return { content: [text('done')] };
  }

  @Tool({ name: 'test_error_handling', description: 'Fails', parameters: EMPTY })
  fails() {
    return { isError: true, content: [text('This tool intentionally returns an error for testing')] };
  }

  @Tool({ name: 'test_sampling', description: 'Asks the model', parameters: z.object({ prompt: z.string() }) })
  async samples(@Payload() { prompt }: { prompt: string }, @Ctx() { mcpServer }: McpContext) {
    const messages = [{ role: 'user' as const, content: text(prompt) }];
    const { content } = await mcpServer.server.createMessage({ messages, maxTokens: 100 });
    return { content: [text(`LLM response: ${JSON.stringify(content)}`)] };
  }

  @Tool({ name: 'test_elicitation', description: 'Asks the user', parameters: z.object({ message: z.string() }) })
  async elicits(@Payload() { message }: { message: string }, @Ctx() { mcpServer }: McpContext) {
    const properties = { response: { type: 'string' as const } };
    const requestedSchema = { type: 'object' as const, properties, required: ['response'] };
    const { action, content } = await mcpServer.server.elicitInput({ message, requestedSchema });
    return { content: [text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`)] };
  }
}

@McpController()
export class ResourceFixtures {
  @Resource({ uri: 'test://static-text', name: 'static text', mimeType: 'text/plain' })
  @scopes('resources:read', 'resources:static')
  staticText() {
    const value = 'This is the content of the static text resource.';
    return { contents: [{ uri: 'test://static-text', mimeType: 'text/plain', text: value }] };
  }

  @Resource({ uri: 'test://static-binary', name: 'static binary', mimeType: 'image/png' })
  staticBinary() {
    return { contents: [{ uri: 'test://static-binary', mimeType: 'image/png', blob: PNG }] };
  }

  @Resource({ uri: 'test://watched-resource', name: 'watched', mimeType: 'text/plain' })
  watched() {
    return { contents: [{ uri: 'test://watched-resource', mimeType: 'text/plain', text: 'Watched resource content' }] };
  }

  @ResourceTemplate({ uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' })
  @scopes('resources:read')
  @Authorize(templateScope)
  template(@Payload() { id }: { id: string }) {
    const value = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { contents: [{ uri: `test://template/${id}/data`, mimeType: 'application/json', text: value }] };
  }
}

const TWO_ARGUMENTS = z.object({ arg1: z.string(), arg2: z.string() });

@McpController()
export class PromptFixtures {
  @Prompt({ name: 'test_simple_prompt', description: 'A message' })
  @scopes('prompts:get', 'prompts:test_simple_prompt')
  simple() {
    return { messages: [user(text('This is a simple prompt for testing.'))] };
  }

  @Prompt({ name: 'test_prompt_with_arguments', description: 'With arguments', parameters: TWO_ARGUMENTS })
  withArguments(@Payload() { arg1, arg2 }: { arg1: string; arg2: string }) {
    return { messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] };
  }

  @Prompt({
    name: 'test_prompt_with_embedded_resource',
    description: 'With a resource',
    parameters: z.object({ resourceUri: z.string() }),
  })
  withResource(@Payload() { resourceUri }: { resourceUri: string }) {
    const resource = embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.');
    return { messages: [user(resource), user(text('Please process the embedded resource above.'))] };
  }

  @Prompt({ name: 'test_prompt_with_image', description: 'With a picture' })
  withPicture() {
    return { messages: [user(picture), user(text('Please analyze the image above.'))] };
  }
}

export const FIXTURES = [ToolFixtures, ResourceFixtures, PromptFixtures];
