import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** Answers browsers, on either platform. */
@Injectable()
export class Pages {
  constructor(private readonly host: HttpAdapterHost) {}

  /** Shows a page. Other sites cannot frame it, and it loads nothing. */
  show(response: unknown, html: string, status = 200): void {
    const headers = {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
      'Cache-Control': 'no-store',
      // The address of the page has a link or a state in it.
      'Referrer-Policy': 'no-referrer',
    };
    for (const [name, value] of Object.entries(headers)) this.host.httpAdapter.setHeader(response, name, value);
    this.host.httpAdapter.reply(response, `<!doctype html><title>Notes</title>${html}`, status);
  }

  redirect(response: unknown, url: string, cookie?: string): void {
    if (cookie !== undefined) this.host.httpAdapter.setHeader(response, 'Set-Cookie', cookie);
    this.host.httpAdapter.setHeader(response, 'Referrer-Policy', 'no-referrer');
    this.host.httpAdapter.redirect(response, 303, url);
  }
}

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
