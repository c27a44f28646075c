import { Controller, Get, Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { AuthInfo, McpAuthModule, RequireScopes } from 'nestjs-mcp-auth';

/** The second API. It accepts only tokens that were issued for itself. */
@Controller('calendar')
class CalendarController {
  @Get()
  @RequireScopes('calendar.read')
  events(@AuthInfo('subject') subject: string, @AuthInfo('actor') actor: { sub?: string } | undefined) {
    return { owner: subject, calledBy: actor?.sub, events: [`Lunch with ${subject}`] };
  }
}

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    McpAuthModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        resource: config.getOrThrow('CALENDAR_URL'),
        authorizationServers: [config.getOrThrow('MCP_AUTH_ISSUER')],
      }),
    }),
  ],
  controllers: [CalendarController],
})
export class CalendarModule {}
