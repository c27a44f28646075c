import { Logger } from '@nestjs/common';

/** Writes every log line of this library, under one name. */
export const logger = new Logger('McpAuth');
