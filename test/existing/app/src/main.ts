import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { setUp } from './set-up.js';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  setUp(app, Number(process.env.TCP_PORT ?? 3001));
  await app.startAllMicroservices();
  await app.listen(process.env.PORT ?? 3000);
}
await bootstrap();
