import { JOURNAL_MAX_BYTES, JOURNAL_MAX_ENTRIES } from '@sessionkit/session-core';
import type { Keys } from './keys.js';
import type { MemberNames } from './options.js';
import { quoted, Script } from './script.js';

/** How long after the last moment at which a record can be of use its key goes by itself. The sweep, five minutes late, comes first. */
export const KEPT_LATE = 600_000;
const BATCHES_KEPT = 64;
const MAX_CLAIM_AGE = 300_000;

/** Refuses what arrives too late, by the clock of the store. Every script that writes for a caller with a deadline begins so; its first argument is the latest time. */
const IN_TIME = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if now > tonumber(ARGV[1]) then return redis.error_reply('LATE ' .. string.format('%.0f', now)) end
  local function number(text) return string.format('%.0f', text) end`;

/** In front of what ends, sweeps and keeps sessions: it is done by a server without memory (`maxmemory`) too, which refuses all that adds to them. */
const EVEN_WHEN_FULL = '#!lua flags=allow-oom\n';

/** Key: a sorted set. Arguments: member or '', score, until when the set is of use, `LT` when a lower score is to stay. */
const ADD = `
  if ARGV[4] then redis.call('ZADD', KEYS[1], ARGV[4], ARGV[2], ARGV[1])
  elseif ARGV[1] ~= '' then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
  local left = redis.call('PTTL', KEYS[1])
  local time = redis.call('TIME')
  local wanted = tonumber(ARGV[3]) - time[1] * 1000
  if left == -1 or left < wanted then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
  return 1`;

export type Scripts = ReturnType<typeof makeScripts>;

/** The scripts for one set of names. Each touches the keys of one session, or one other key. */
export function makeScripts(names: MemberNames, keys: Keys, durable: boolean) {
  const [sid, user, service, ip, start, stop, data, seen, epoch, kill, ended, head] = [
    names.sid,
    names.user,
    names.service,
    names.ip,
    names.start,
    names.stop,
    names.data,
    names.seen,
    names.epoch,
    names.kill,
    names.ended,
    names.head,
  ].map(quoted);
  const channel = quoted(keys.channel);
  /** WAIT waits for what its connection wrote: what is there already, and perhaps not yet on a replica, is written once more before it is answered as done. */
  const again = (key: string, member: string | undefined, value: string) =>
    durable ? `redis.call('HSET', ${key}, ${member}, ${value})` : '';

  return {
    add: new Script(ADD),
    /** {@link ADD} for sessions that end: their entries are there ahead of it. */
    addEnded: new Script(EVEN_WHEN_FULL + ADD),

    /**
     * Key: record. Arguments: latest time, version, write id, 1 when the indexes have it, head, seen, kill, epoch, data, user, service, ip, start, endsAt, id.
     * Answers `yes` with the new due time or '', the service and the user before; `no`; `move`, with the end, the service and the user before, when the indexes must be written first;
     * `corrupt`.
     */
    save: new Script(`${IN_TIME}
      local function moment(text) return text and string.match(text, '^%-?[%d.]+$') and tonumber(text) end
      local old = redis.call('HMGET', KEYS[1], ${head}, ${seen}, ${kill}, ${ended})
      local seen, kill, stop = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[14])
      local new = cjson.decode(ARGV[5])
      local due, service, user, news = '', ARGV[11], ARGV[10], false
      if not old[1] then
        if redis.call('EXISTS', KEYS[1]) == 1 then return {'corrupt'} end
        if ARGV[2] ~= '1' then return {'no'} end
      else
        local good, was = pcall(cjson.decode, old[1])
        if not good or type(was) ~= 'table' or type(was[2]) ~= 'number' or type(was[3]) ~= 'table' or type(was[4]) ~= 'string'
          or (type(was[5]) ~= 'string' and was[5] ~= cjson.null) or type(was[12]) ~= 'number' or type(was[13]) ~= 'number' then return {'corrupt'} end
        for _, write in ipairs(was[3]) do if write == ARGV[3] then ${again('KEYS[1]', head, 'old[1]')} return {'yes', '', ARGV[11], ARGV[10]} end end
        if old[4] or was[2] + 1 ~= tonumber(ARGV[2]) then return {'no'} end
        service, user = was[4], was[5]
        if user == cjson.null then user = '' end
        if ARGV[4] ~= '1' and (service ~= ARGV[11] or user ~= ARGV[10]) then return {'move', number(was[13]), service, user} end
        local seenBefore, killBefore = moment(old[2]), moment(old[3])
        if (old[2] and not seenBefore) or (old[3] and not killBefore) then return {'corrupt'} end
        if seenBefore and seenBefore > seen then seen = seenBefore end
        if killBefore and not (kill and kill < killBefore) then kill = killBefore end
        for _, at in ipairs({5, 6, 7, 15, 16, 17}) do news = news or was[at] ~= new[at] end
        news = news or kill ~= killBefore
        local before = math.min((seenBefore or seen) + was[12], was[13], killBefore or was[13])
        local after = math.min(seen + new[12], stop, kill or stop)
        if after < before then due = number(after) end
      end
      if kill and kill < stop then stop = kill end
      redis.call('HSET', KEYS[1], ${sid}, ARGV[15], ${service}, ARGV[11], ${ip}, ARGV[12], ${start}, ARGV[13], ${stop}, number(stop), ${epoch}, ARGV[8],
        ${seen}, number(seen), ${head}, ARGV[5], ${data}, ARGV[9])
      if ARGV[10] == '' then redis.call('HDEL', KEYS[1], ${user}) else redis.call('HSET', KEYS[1], ${user}, ARGV[10]) end
      if kill then redis.call('HSET', KEYS[1], ${kill}, number(kill)) end
      redis.call('PEXPIREAT', KEYS[1], number(stop + ${KEPT_LATE}))
      if news then redis.call('PUBLISH', ${channel}, cjson.encode({ARGV[15], ARGV[2], 'saved'})) end
      return {'yes', due, service, user}`),

    /**
     * Keys: records. Argument: `all` with the data, `head` without, `open` without and of those that have ended only that they have. Answers the read members of each, or the error
     * of one that is no hash. One script is less work for both sides than a command for each session.
     */
    load: new Script(`
      local found = {}
      for at, key in ipairs(KEYS) do
        local members
        if ARGV[1] == 'open' and type(redis.pcall('HGET', key, ${ended})) == 'string' then members = {false, false, false, ''}
        elseif ARGV[1] == 'all' then members = redis.pcall('HMGET', key, ${head}, ${seen}, ${kill}, ${ended}, ${data})
        else members = redis.pcall('HMGET', key, ${head}, ${seen}, ${kill}, ${ended}) end
        found[at] = members.err or members
      end
      return found`),

    /** Keys: records. Arguments: latest time, then epoch and time of use of each. Answers the places, from 1, of those that were not there to be touched. */
    touch: new Script(`${EVEN_WHEN_FULL}${IN_TIME}
      local missed = {}
      for at, key in ipairs(KEYS) do
        local old = redis.pcall('HMGET', key, ${epoch}, ${ended}, ${seen})
        if not old.err then
          if old[2] or old[1] ~= ARGV[2 * at] then
            if old[1] or redis.call('EXISTS', key) == 0 then missed[#missed + 1] = at end
          elseif tonumber(ARGV[2 * at + 1]) > (tonumber(old[3]) or 0) then
            redis.call('HSET', key, ${seen}, ARGV[2 * at + 1])
          end
        end
      end
      return missed`),

    /**
     * Keys: records. Arguments: latest time, the ended member, cause, when the key goes, then id, service and user of each, as the indexes have it. Answers of each that had not
     * ended its place, `ended` or, when it is left alone because it is another's by now, `moved`, and its service and user.
     */
    end: new Script(`${EVEN_WHEN_FULL}${IN_TIME}
      local done = {}
      for at, key in ipairs(KEYS) do
        local old = redis.pcall('HMGET', key, ${head}, ${ended})
        if not old.err and old[1] and not old[2] then
          local good, was = pcall(cjson.decode, old[1])
          if not good or type(was) ~= 'table' then was = {} end
          local service, user = was[4], was[5]
          if type(service) ~= 'string' then service = '' end
          if type(user) ~= 'string' then user = '' end
          if good and (service ~= ARGV[3 * at + 3] or user ~= ARGV[3 * at + 4]) then
            done[#done + 1] = {at, 'moved', service, user}
          else
            redis.call('HSET', key, ${ended}, ARGV[2], ${data}, '{}')
            redis.call('PEXPIREAT', key, ARGV[4])
            done[#done + 1] = {at, 'ended', service, user}
            redis.call('PUBLISH', ${channel}, cjson.encode({ARGV[3 * at + 2], number(tonumber(was[2]) or 0), 'ended', ARGV[3]}))
          end
        elseif not old.err and old[2] then
          ${again('key', ended, 'old[2]')}
        end
      end
      return done`),

    /** Keys: record and journal of each. Arguments: the time. Removes what is dead before it. Answers for each `absent`, the due time, or `gone` with service and user. */
    sweep: new Script(`
      local answers = {}
      for at = 1, #KEYS, 2 do
        local old = redis.pcall('HMGET', KEYS[at], ${head}, ${seen}, ${kill}, ${ended})
        local answer = {'later', ''}
        if not old.err and old[1] then
          local good, was = pcall(cjson.decode, old[1])
          local due = nil
          if old[4] then
            due = tonumber(string.match(old[4], ',([%d.]+)%]$'))
          elseif good and type(was) == 'table' and tonumber(was[12]) and tonumber(was[13]) and tonumber(old[2]) then
            due = math.min(tonumber(old[2]) + was[12], was[13], tonumber(old[3]) or was[13])
          end
          if due and due < tonumber(ARGV[1]) then
            redis.call('DEL', KEYS[at], KEYS[at + 1])
            if not good or type(was) ~= 'table' then was = {} end
            local user = was[5]
            if type(user) ~= 'string' then user = '' end
            answer = {'gone', was[4] or '', user}
          elseif due then
            answer = {'later', string.format('%.0f', due)}
          end
        elseif not old.err and redis.call('EXISTS', KEYS[at]) == 0 then
          answer = {'absent'}
        end
        answers[#answers + 1] = answer
      end
      return answers`),

    /** Key: what is due. Arguments: time and member of each that is due later. */
    defer: new Script(`${EVEN_WHEN_FULL}
      for at = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'XX', ARGV[at], ARGV[at + 1]) end
      return 1`),

    /** Key: lock. Arguments: who takes it, for how many ms. Answers OK, or nil when it is another's. */
    lock: new Script(`${EVEN_WHEN_FULL}return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])`),

    /** Key: lock. Argument: who took it. */
    release: new Script(
      `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
    ),

    /** Key: places of a user. Answers ids and times of claims, in turn. */
    claims: new Script(`return redis.call('HGETALL', KEYS[1])`),

    /**
     * Key: places of a user. Arguments: latest time, id, time of the claim, places, refuse or oldest, number of free ones, then id and time of claim of each free one, then id and
     * start of each session that has a place. Answers who must end.
     */
    claim: new Script(`${IN_TIME}
      local id, at, max, free = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[6])
      for place = 7, 6 + 2 * free, 2 do
        if redis.call('HGET', KEYS[1], ARGV[place]) == ARGV[place + 1] then redis.call('HDEL', KEYS[1], ARGV[place]) end
      end
      local since = {}
      for place = 7 + 2 * free, #ARGV, 2 do since[ARGV[place]] = tonumber(ARGV[place + 1]) end
      local waiting = redis.call('HGETALL', KEYS[1])
      for place = 1, #waiting, 2 do since[waiting[place]] = since[waiting[place]] or tonumber(waiting[place + 1]) end
      local own, others = since[id], {}
      since[id] = nil
      for other in pairs(since) do others[#others + 1] = other end
      local over = #others + 1 - max
      if ARGV[5] == 'refuse' and over > 0 then return own and {} or {id} end
      if not own then redis.call('HSET', KEYS[1], id, at) end
      redis.call('PEXPIRE', KEYS[1], ${MAX_CLAIM_AGE})
      if over <= 0 then return {} end
      table.sort(others, function(a, b) if since[a] == since[b] then return a < b end return since[a] < since[b] end)
      local must = {}
      for place = 1, over do must[place] = others[place] end
      return must`),

    /**
     * Keys: record and journal. Arguments: latest time, batch, then time, kind and text of each entry. Entries have their time as score and the order of their arrival in front;
     * batches that were seen have a negative score.
     */
    append: new Script(`${IN_TIME}
      local old = redis.pcall('HMGET', KEYS[1], ${head}, ${ended})
      if old.err or not old[1] or old[2] then return 0 end
      local batch = 'batch ' .. ARGV[2]
      if redis.call('ZSCORE', KEYS[2], batch) then return 0 end
      local micros = time[1] * 1000000 + time[2]
      redis.call('ZADD', KEYS[2], number(-micros), batch)
      for at = 3, #ARGV, 3 do
        local order = string.format('%.0f.%06d ', micros, at)
        redis.call('ZADD', KEYS[2], ARGV[at], order .. ARGV[at + 1] .. ' ' .. ARGV[at + 2])
      end
      local batches = redis.call('ZCOUNT', KEYS[2], '-inf', '(0')
      if batches > ${BATCHES_KEPT} then redis.call('ZREMRANGEBYRANK', KEYS[2], ${BATCHES_KEPT}, batches - 1) end
      local entries, kept, bytes = redis.call('ZRANGEBYSCORE', KEYS[2], 0, '+inf'), 0, 0
      for at = #entries, 1, -1 do
        local _, front = string.find(entries[at], '^%S+ %S+ ')
        bytes = bytes + #entries[at] - front
        if bytes > ${JOURNAL_MAX_BYTES} or kept == ${JOURNAL_MAX_ENTRIES} then
          redis.call('ZREM', KEYS[2], entries[at])
        else
          kept = kept + 1
        end
      end
      redis.call('PEXPIRE', KEYS[2], math.max(1, redis.call('PTTL', KEYS[1])))
      return 1`),

    /** Key: links of a process. Arguments: latest time, lease in ms, then id and links of each session. */
    announce: new Script(`${IN_TIME}
      redis.call('DEL', KEYS[1])
      for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
      if #ARGV > 2 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
      return 1`),
  };
}
