import type { Traffic } from '@sessionkit/admin-api';

/** Counts connections and requests, of a listener or of all listeners of a service. */
export class TrafficCount implements Traffic {
  connections = 0;
  totalConnections = 0;
  maxConnections = 0;
  activeRequests = 0;
  totalRequests = 0;
  readonly #whole: TrafficCount | undefined;

  /** @param whole counts along */
  constructor(whole?: TrafficCount) {
    this.#whole = whole;
  }

  connected(): void {
    this.connections++;
    this.totalConnections++;
    this.maxConnections = Math.max(this.maxConnections, this.connections);
    this.#whole?.connected();
  }

  disconnected(): void {
    this.connections--;
    this.#whole?.disconnected();
  }

  begun(): void {
    this.activeRequests++;
    this.totalRequests++;
    this.#whole?.begun();
  }

  over(): void {
    this.activeRequests--;
    this.#whole?.over();
  }
}
