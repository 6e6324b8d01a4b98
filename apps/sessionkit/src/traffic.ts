import type { Traffic } from '@sessionkit/admin-api';

/** Counts connections and requests, of a listener or of all listeners of a service. */
export class TrafficCount implements Traffic {
  connections = 0;
  totalConnections = 0;
  maxConnections = 0;
  activeRequests = 0;
  totalRequests = 0;
  #whole: TrafficCount | undefined;

  /** @param whole counts along */
  constructor(whole?: TrafficCount) {
    this.#whole = whole;
  }

  /** What has begun goes on to count where it began. */
  become(whole: TrafficCount): void {
    this.#whole = whole;
  }

  /** Answers what to call when the connection is closed. */
  connected(): () => void {
    this.connections++;
    this.totalConnections++;
    this.maxConnections = Math.max(this.maxConnections, this.connections);
    const over = this.#whole?.connected();
    return () => {
      this.connections--;
      over?.();
    };
  }

  /** Answers what to call when the request is answered. */
  begun(): () => void {
    this.activeRequests++;
    this.totalRequests++;
    const over = this.#whole?.begun();
    return () => {
      this.activeRequests--;
      over?.();
    };
  }
}
