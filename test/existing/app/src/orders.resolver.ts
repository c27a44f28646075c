import { Args, Int, Mutation, Query, Resolver } from '@nestjs/graphql';

@Resolver()
export class OrdersResolver {
  private readonly orders: string[] = [];

  @Query(() => [String])
  all() {
    return this.orders;
  }

  @Mutation(() => Int)
  add(@Args('text') text: string) {
    return this.orders.push(text);
  }
}
