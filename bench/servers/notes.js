/** The application that every server protects: one route, `GET /notes`, which answers with a little JSON. */
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { decorate } from '../decorate.js';

class NotesController {
  list() {
    return [
      { id: 1, text: 'Water the plants' },
      { id: 2, text: 'Call Grandmother' },
    ];
  }
}
decorate(NotesController, 'list', [Get()]);
Controller('notes')(NotesController);

/** @param {import('./subjects.js').Protection} protection */
export function notesModule({ imports = [], providers = [], middleware }) {
  class AppModule {
    configure(consumer) {
      if (middleware) consumer.apply(middleware).forRoutes(NotesController);
    }
  }
  Module({ imports, providers, controllers: [NotesController] })(AppModule);
  return AppModule;
}
