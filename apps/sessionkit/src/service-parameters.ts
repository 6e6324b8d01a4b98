import { type Parameters, shownParameters } from '@sessionkit/admin-api';
import type { CheckedService } from '@sessionkit/compose';
import type { Millis } from '@sessionkit/session-core';

/** How a service and its router are configured, by the names of the configuration. */
export function serviceParameters({ session, router }: CheckedService): Parameters {
  const { options } = session ?? {};
  const parameters = {
    ...shownParameters(router?.config),
    allow_origins: options?.allowOrigins,
    anonymous_idle: seconds(options?.anonymousIdle),
    auto_create: options?.autoCreate,
    clear_site_data: options?.clearSiteData,
    duration: seconds(options?.duration),
    idle_timeout: seconds(options?.idleTimeout),
    keep_ended: seconds(options?.keepEnded),
    limits: options?.limits && {
      creations: options.limits.creations,
      failed_tokens: options.limits.failedTokens,
    },
    login_url: options?.loginUrl,
    max_data: options?.maxData,
    max_per_user: options?.maxPerUser,
    mode: options?.session,
    on_dead: options?.onDead,
    share: options?.share,
  };
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}

function seconds(span: Millis | undefined): number | undefined {
  return span === undefined ? undefined : span / 1000;
}
