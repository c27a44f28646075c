/**
 * The beginning of every script whose keys must not be lost unnoticed. A mark beside the keys says which run of which server
 * keeps them, the value that the mark got when it was new, and whether that server evicts keys. A mark of another run, or none,
 * means that keys may have been lost: by a restart, by a failover to a replica that lagged, or by FLUSHALL.
 *
 * KEYS[1]: the mark. ARGV[1]: the value of a new mark, without spaces. ARGV[2]: `yes` if eviction is allowed. ARGV[3]: `yes` to
 * look at the server again, whatever the mark says. Leaves the value of the mark in `value`.
 */
export const READ_MARK = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
local known, value, policy = string.match(redis.call('GET', KEYS[1]) or '', '^(%w+) (%S+) (%S+)$')
if known ~= run or ARGV[3] == 'yes' or (policy ~= 'none' and ARGV[2] ~= 'yes') then
  local memory = redis.call('INFO', 'memory')
  policy = string.match(memory, 'maxmemory_policy:([%w-]+)') or 'unknown'
  if policy == 'noeviction' or string.match(memory, 'maxmemory:(%d+)') == '0' then policy = 'none' end
  if known ~= run then value = ARGV[1] end
  redis.call('SET', KEYS[1], run .. ' ' .. value .. ' ' .. policy)
end
if policy ~= 'none' and ARGV[2] ~= 'yes' then return 'evicts ' .. policy end
`;

/** Redis cannot be relied on: it has lost keys, or may remove some. */
export class RedisStoreError extends Error {
  /** Distinguishes it from other errors. */
  override readonly name = 'RedisStoreError';
}

/** The error for the reply of a server that evicts keys; undefined for every other reply. */
export function evictionError(reply: unknown): RedisStoreError | undefined {
  const policy = typeof reply === 'string' ? /^evicts ([\w-]{1,50})$/.exec(reply)?.[1] : undefined;
  if (policy === undefined) return undefined;
  return new RedisStoreError(
    `Redis removes keys when its memory is full (maxmemory-policy is ${policy}), so what must be kept could be lost. ` +
      'Set maxmemory-policy to noeviction, or use a Redis of its own for this store',
  );
}
