import { lengthOf } from './protocol.js';

/** Cuts what comes in on a connection into whole packets. */
export class Packets {
  /** What has come in and is no whole packet yet. */
  #parts: Buffer[] = [];
  #length = 0;
  /** No packet is whole with fewer bytes. */
  #wanted = 0;

  /** The packets that are whole with this chunk. */
  take(chunk: Buffer): Buffer[] {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return [];
    let rest = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    const packets: Buffer[] = [];
    for (let length = lengthOf(rest); rest.length >= length; length = lengthOf(rest)) {
      packets.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#parts = [rest];
    this.#length = rest.length;
    this.#wanted = lengthOf(rest);
    return packets;
  }
}
