const LENGTH_16 = 126;
const LENGTH_64 = 127;
const CLOSE = 8;

/**
 * Follows the frames of a WebSocket (RFC 6455 section 5.2) through the bytes of one direction, only to know where one ends: a frame of ours may be put between two others,
 * and nowhere else.
 */
export class Frames {
  /** Bytes of the frame's head so far. */
  #head: number[] = [];
  /** Bytes of its payload that are still to come. */
  #left = 0;
  #closed = false;

  /** What was passed on so far ends with a whole frame. */
  get whole(): boolean {
    return this.#left === 0 && this.#head.length === 0;
  }

  /** A close frame has been passed on: nothing may follow it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes note of bytes that are passed on. */
  pass(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at = this.#step(chunk, at);
  }

  /** As {@link pass}, but no further than to the end of the frame under way; answers how many bytes that were. */
  passFrame(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && !this.whole) at = this.#step(chunk, at);
    return at;
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#left > 0) {
      const taken = Math.min(this.#left, chunk.length - at);
      this.#left -= taken;
      return at + taken;
    }
    this.#head.push(chunk[at] ?? 0);
    if (this.#head.length === headLength(this.#head)) {
      this.#closed ||= ((this.#head[0] ?? 0) & 0x0f) === CLOSE;
      this.#left = payloadLength(this.#head);
      this.#head = [];
    }
    return at + 1;
  }
}

function headLength([, second]: readonly number[]): number {
  if (second === undefined) return 2;
  const mask = second & 0x80 ? 4 : 0;
  const short = second & 0x7f;
  return 2 + mask + (short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0);
}

function payloadLength(head: readonly number[]): number {
  const short = (head[1] ?? 0) & 0x7f;
  if (short < LENGTH_16) return short;
  const bytes = head.slice(2, short === LENGTH_16 ? 4 : 10);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** A close frame as a server sends it (RFC 6455 section 5.5.1). The reason is cut at 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 123);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x80 | CLOSE;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
