import { Body, Controller, Injectable, Post } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

export const SECRET = 'the secret of the REST API, which MCP clients do not have';

/** For the REST API alone. */
@Injectable()
export class JwtAuthGuard extends AuthGuard('jwt') {}

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: SECRET });
  }

  validate({ sub }: { sub: string }) {
    return { name: sub };
  }
}

@Controller('login')
export class LoginController {
  constructor(private readonly jwt: JwtService) {}

  @Post()
  login(@Body() { name }: { name: string }) {
    return { token: this.jwt.sign({ sub: name }) };
  }
}
