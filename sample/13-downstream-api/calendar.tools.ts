import { ConfigService } from '@nestjs/config';
import { McpController, Tool } from '@rekog/mcp-nest';
import { McpAuthDownstream } from 'nestjs-mcp-auth';

@McpController()
export class CalendarTools {
  constructor(
    private readonly apis: McpAuthDownstream,
    private readonly config: ConfigService,
  ) {}

  @Tool({ name: 'list-events', description: 'List the events in your calendar' })
  async listEvents() {
    const url = this.config.getOrThrow<string>('CALENDAR_URL');
    const response = await this.apis.fetch('calendar', url, { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`The calendar answered ${response.status}`);
    return response.json();
  }
}
