import { SessionError } from './errors.js';
import type { ServiceOptions } from './service.js';
import type { Settings } from './settings.js';

/** A service beside others. */
export interface Neighbour {
  readonly settings: Settings;
  readonly options: ServiceOptions;
}

/**
 * Two services of one backend must not read each other's cookie, nor share sessions by accident.
 * @throws SessionError `CONFIG_INVALID`
 */
export function checkNeighbours(one: Neighbour, others: Iterable<Neighbour>): void {
  const { settings, options } = one;
  if (options.backend === undefined) return;
  for (const other of others) {
    if (other.options.backend !== options.backend) continue;
    if (options.share !== undefined && other.options.share === options.share) {
      checkVersions(settings, other.settings);
      continue;
    }
    if (other.settings.group === settings.group)
      throw invalid(`"${settings.group}" names a service and a share group of one backend; rename one`);
    for (const { carrier } of settings.transports) {
      const { cookie } = carrier;
      if (cookie === undefined) continue;
      if (!other.settings.transports.some((theirs) => theirs.carrier.cookie === cookie)) continue;
      throw invalid(
        `services "${other.settings.name}" and "${settings.name}" use one backend and the cookie "${cookie}"; give them different cookie names, or the same share group`,
      );
    }
  }
}

/** They would refuse each other's data. */
function checkVersions(one: Settings, other: Settings): void {
  if (one.data === undefined || other.data === undefined || one.data.version === other.data.version) return;
  throw invalid(
    `services "${other.name}" and "${one.name}" share their sessions, but their data.version is ${other.data.version} and ${one.data.version}; give both the same`,
  );
}

function invalid(message: string): SessionError {
  return new SessionError('CONFIG_INVALID', message);
}
