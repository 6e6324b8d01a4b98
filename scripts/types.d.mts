/** Writes the declarations of the package in this folder into its dist. Throws when they have errors. */
export function emitTypes(home: string): Promise<void>;
