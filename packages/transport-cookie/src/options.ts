/** Name prefixes that browsers enforce (RFC 6265bis section 4.1.3, layered cookies), longest first. */
export const PREFIXES = ['__Host-Http-', '__Host-', '__Secure-', '__Http-'] as const;

/** Attributes of the cookie. Times are in milliseconds, as everywhere in code. */
export interface CookieAttributes {
  /** `Max-Age` in ms, at least 1,000. Default: what is left of the session. Browsers keep no cookie for more than 400 days. */
  readonly maxAge?: number | undefined;
  /** `Expires`. With it alone no `Max-Age` is sent, because browsers let `Max-Age` win; it is a time to come then. */
  readonly expires?: Date | undefined;
  /** Default `/`. */
  readonly path?: string | undefined;
  /** Default: this host only. */
  readonly domain?: string | undefined;
  /** `auto` (default): when the client's connection is encrypted, and always where a browser refuses the cookie without it. */
  readonly secure?: boolean | 'auto' | undefined;
  /** Default true: scripts of the page can't read it. */
  readonly httpOnly?: boolean | undefined;
  /** Default `lax`. `true` is `strict`; `false` leaves the attribute out. */
  readonly sameSite?: 'strict' | 'lax' | 'none' | boolean | undefined;
  /** A cookie jar for each embedding site (CHIPS). Needs `sameSite: 'none'`. */
  readonly partitioned?: boolean | undefined;
  /** Which cookies Chromium drops first when a site has too many. */
  readonly priority?: 'low' | 'medium' | 'high' | undefined;
  /** Put before the name; the browser then enforces what it promises. Default `none`. */
  readonly prefix?: 'none' | (typeof PREFIXES)[number] | undefined;
}

export interface CookieTransportOptions {
  /** Name of the cookie, without its prefix. Default `sxapi-sess`. */
  readonly name?: string | undefined;
  readonly options?: CookieAttributes | undefined;
}
