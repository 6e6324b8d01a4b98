export interface Found {
  readonly kind: string;
  readonly who: string;
  readonly label: string;
  readonly what: string;
  readonly form: string;
  readonly around: string;
}

export interface Searched {
  readonly watched: number;
  readonly bytes: number;
  readonly bytesOf: Readonly<Record<string, number>>;
  readonly allowed: number;
  readonly found: readonly Found[];
}

export function search(reports: string): Promise<Searched>;

export function verdict(
  searched: Searched,
  whole: boolean,
): { readonly lines: readonly string[]; readonly ok: boolean };
