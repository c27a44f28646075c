// #region main
import { NestFactory } from '@nestjs/core';
import { AppModule, mcp } from './app.module.js';

export const app = await NestFactory.create(AppModule);
app.connectMicroservice({ strategy: mcp });
await app.startAllMicroservices();
await app.listen(process.env.PORT ?? 3000);
// #endregion
