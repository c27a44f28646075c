import { metadataPath } from '../core/resource.js';
import { isTemplate } from '../core/resource-template.js';
import { showValue } from '../core/safe-text.js';
import type { OptionReader } from './option-reader.js';
import { repetitions } from './repetitions.js';
import type { ResolvedResource } from './resource-options.js';

/** Refuses resources that share an id, or an identifier: requests find a resource by either of them. */
export function refuseSharedResources(option: OptionReader, resources: readonly ResolvedResource[]): void {
  const usable = resources.filter(({ identifier }) => identifier.value !== '');
  for (const repeated of repetitions(usable.map(({ id }) => id))) {
    const why = 'several resources share this id';
    option.refuse({ seen: showValue(repeated), why, write: 'Give each resource an id of its own' });
  }
  for (const [index, resource] of usable.entries()) {
    const other = usable.slice(0, index).find((earlier) => areAlike(earlier, resource));
    if (!other) continue;
    const why = `it shares host and path with "${other.identifier.value}", so a request could be for either of them`;
    const write = 'Give each resource a path of its own, or a host of its own';
    option.refuse({ seen: showValue(resource.identifier.value), why, write });
  }
}

/** Whether one request can be for both resources: except for a template and one of its tenants, which is configured itself. */
function areAlike(one: ResolvedResource, other: ResolvedResource): boolean {
  if ((one.template === undefined) !== (other.template === undefined)) return false;
  const hosts = [one, other].map(({ identifier }) => identifier.origin.replace(/^\w+:\/\//, '').split('.'));
  const paths = [one, other].map(({ identifier }) => metadataPath(identifier).split('/'));
  return [hosts, paths].every(([parts = [], others = []]) => {
    const matches = (part: string, at: number): boolean =>
      part === others[at] || isTemplate(part) || isTemplate(others[at] ?? '');
    return parts.length === others.length && parts.every(matches);
  });
}
