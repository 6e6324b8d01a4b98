/** Looked for in the working folder when no other file is named. */
export const DEFAULT_FILE = 'sessionkit.yaml';
