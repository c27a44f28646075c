import type { INestApplication } from '@nestjs/common';
import { Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

/** What is done to the application before it starts, here and in its tests. */
export function setUp(app: INestApplication, port: number) {
  app.enableShutdownHooks();
  app.useWebSocketAdapter(new WsAdapter(app));
  const config = new DocumentBuilder().setTitle('Orders').addBearerAuth().build();
  SwaggerModule.setup('api', app, () => SwaggerModule.createDocument(app, config));
  app.connectMicroservice<MicroserviceOptions>(
    { transport: Transport.TCP, options: { host: '127.0.0.1', port } },
    { inheritAppConfig: true },
  );
}
