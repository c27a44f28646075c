import { CacheInterceptor } from '@nestjs/cache-manager';
import { Controller, Get, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ApiBearerAuth } from '@nestjs/swagger';
import { Throttle } from '@nestjs/throttler';
import { JwtAuthGuard } from './login.js';

/** The ids of the orders that were paid, as events said. */
export const paid: number[] = [];

@Controller('orders')
export class OrdersController {
  private served = 0;

  @Get()
  @UseGuards(JwtAuthGuard)
  @ApiBearerAuth()
  mine(@Req() { user }: { user: { name: string } }) {
    return { of: user.name };
  }

  @Get('prices')
  @UseInterceptors(CacheInterceptor)
  prices() {
    return { served: ++this.served };
  }

  @Get('rare')
  @Throttle({ default: { ttl: 60_000, limit: 2 } })
  rare() {
    return { ok: true };
  }

  @MessagePattern('sum')
  sum(@Payload() numbers: number[]) {
    return numbers.reduce((sum, one) => sum + one, 0);
  }

  @EventPattern('paid')
  paid(@Payload() id: number) {
    paid.push(id);
  }
}
