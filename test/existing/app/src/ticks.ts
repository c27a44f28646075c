import { Injectable } from '@nestjs/common';
import { Cron, CronExpression, Interval } from '@nestjs/schedule';

@Injectable()
export class Ticks {
  count = 0;

  @Interval(5)
  tick() {
    this.count++;
  }

  @Cron(CronExpression.EVERY_DAY_AT_1AM)
  nightly() {
    this.count = 0;
  }
}
