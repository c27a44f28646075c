import { Injectable, RequestMethod, VERSION_NEUTRAL, VersioningType, type Type } from '@nestjs/common';
import { HttpAdapterHost, MetadataScanner, ModuleRef, ModulesContainer, type ApplicationConfig } from '@nestjs/core';
import {
  HOST_METADATA,
  MODULE_PATH_METADATA,
  ROUTE_METHOD_METADATA,
  ROUTE_PATH_METADATA,
  VERSION_METADATA,
} from '../handlers/nest-metadata.js';
import { httpAdapterOf } from './http-adapter.js';
import type { NestModule } from './injection.js';

/** A method of a controller, at one of the paths where Nest serves it. */
export interface NestRoute {
  readonly classRef: Type<object>;
  readonly methodName: string;
  readonly method: object;
  /** `GET /api/notes/:id`; with the version or the host, if Nest chooses by these among routes at the path. */
  readonly name: string;
  readonly path: string;
}

type Version = string | typeof VERSION_NEUTRAL;

/** The settings of a route that its path depends on. */
interface Placement {
  readonly base: string;
  readonly verb: RequestMethod;
  readonly versions: readonly Version[];
}

/**
 * The routes of all controllers, with the paths that they have with global prefix, versions and `RouterModule`. Does NOT
 * contain routes outside of Nest.
 */
@Injectable()
export class NestRoutes {
  #all: readonly NestRoute[] | undefined;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly modules: ModulesContainer,
    private readonly scanner: MetadataScanner,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** Known once Nest has registered the routes. Empty in an application without HTTP. */
  get all(): readonly NestRoute[] {
    return (this.#all ??= httpAdapterOf(this.host) ? [...this.modules.values()].flatMap((one) => this.#in(one)) : []);
  }

  #in(module: NestModule): NestRoute[] {
    const modulePath = textOf(
      metadata(MODULE_PATH_METADATA + this.modules.applicationId, module.metatype) ??
        metadata(MODULE_PATH_METADATA, module.metatype),
    );
    return [...module.controllers.values()].flatMap(({ metatype }) =>
      typeof metatype === 'function' ? this.#of(metatype as Type<object>, modulePath) : [],
    );
  }

  #of(classRef: Type<object>, modulePath: string): NestRoute[] {
    const prototype = classRef.prototype as Record<string, object>;
    return this.scanner.getAllMethodNames(prototype).flatMap((methodName) => {
      const method = prototype[methodName] as object;
      const methodPaths = metadata(ROUTE_PATH_METADATA, method);
      if (methodPaths === undefined) return [];
      const verb = metadata(ROUTE_METHOD_METADATA, method) as RequestMethod;
      const versions = this.#versions(classRef, method);
      return textsOf(metadata(ROUTE_PATH_METADATA, classRef)).flatMap((classPath) =>
        textsOf(methodPaths).flatMap((methodPath) => {
          const base = joined(modulePath, classPath, methodPath);
          return this.#paths({ base, verb, versions }).map((path) => {
            const name = `${RequestMethod[verb]} ${path}${this.#chosenBy(classRef, versions)}`;
            return { classRef, methodName, method, name, path };
          });
        }),
      );
    });
  }

  #versions(classRef: object, method: object): Version[] {
    const versioning = this.#config.getVersioning();
    if (!versioning) return [];
    const ofClass = metadata(VERSION_METADATA, classRef) ?? versioning.defaultVersion;
    return [metadata(VERSION_METADATA, method) ?? ofClass ?? []].flat() as Version[];
  }

  #paths({ base, verb, versions }: Placement): string[] {
    const versioning = this.#config.getVersioning();
    const { prefix = 'v' } = versioning?.type === VersioningType.URI ? versioning : {};
    const isInPath = versioning?.type === VersioningType.URI && versions.length > 0;
    const inFront = isInPath
      ? versions.map((version) => (version === VERSION_NEUTRAL ? '' : `/${prefix === false ? '' : prefix}${version}`))
      : [''];
    const global = this.#isExcluded(base, verb) ? '' : this.#config.getGlobalPrefix();
    return inFront.map((version) => joined(global, version, base));
  }

  /** Whether the option `exclude` of `setGlobalPrefix()` names the path. */
  #isExcluded(path: string, verb: RequestMethod): boolean {
    const { exclude = [] } = this.#config.getGlobalPrefixOptions();
    return exclude.some(
      ({ pathRegex, requestMethod }) =>
        [verb, RequestMethod.ALL, -1].includes(requestMethod) && pathRegex.exec(path) !== null,
    );
  }

  #chosenBy(classRef: object, versions: readonly Version[]): string {
    const versioning = this.#config.getVersioning();
    const isInPath = versioning?.type === VersioningType.URI;
    const hosts = [metadata(HOST_METADATA, classRef) ?? []].flat();
    return [
      ...(isInPath || versions.length === 0
        ? []
        : [` (version ${versions.map((one) => (one === VERSION_NEUTRAL ? 'neutral' : one)).join(', ')})`]),
      ...(hosts.length === 0 ? [] : [` (host ${hosts.map(String).join(', ')})`]),
    ].join('');
  }

  get #config(): ApplicationConfig {
    return applicationConfigOf(this.moduleRef);
  }
}

/**
 * The settings of the application, such as its global prefix and its global guards. Nest 11 and 12 do not provide them, but
 * every `ModuleRef` has the container that holds them.
 */
export function applicationConfigOf(moduleRef: ModuleRef): ApplicationConfig {
  const { container } = moduleRef as unknown as {
    readonly container: { readonly applicationConfig: ApplicationConfig };
  };
  return container.applicationConfig;
}

function metadata(key: string, target: object): unknown {
  return Reflect.getMetadata(key, target) as unknown;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): string[] {
  return [value].flat().map(textOf);
}

/** The path of these parts, each with or without slashes at its ends. */
function joined(...parts: readonly string[]): string {
  const path = parts
    .map((part) => part.replace(/^\/|\/$/g, ''))
    .filter((part) => part !== '')
    .join('/');
  return `/${path}`;
}
