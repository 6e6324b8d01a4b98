import type { CheckedConfig } from './config.js';

/** The statements that make ready what the backends of a configuration need, one text for each backend that needs any. */
export function sqlOf(config: CheckedConfig): readonly string[] {
  const texts = new Map<string, string>();
  for (const { session } of config.services.values()) {
    if (session === undefined || texts.has(session.backend.key)) continue;
    const { key, module, config: section } = session.backend;
    const text = module.kind === 'backend' ? module.sql?.(section as never) : undefined;
    if (text !== undefined) texts.set(key, text);
  }
  return [...texts.values()];
}
