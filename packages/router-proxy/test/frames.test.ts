import { expect, it } from 'vitest';
import { closeFrame, Frames } from '../src/frames.js';

/** A frame as a server sends it, or, masked, as a client does. */
function frame(opcode: number, length: number, masked = false): Buffer {
  const mask = masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0);
  const bit = masked ? 0x80 : 0;
  let head: Buffer;
  if (length < 126) head = Buffer.from([0x80 | opcode, bit | length]);
  else if (length < 65_536) {
    head = Buffer.from([0x80 | opcode, bit | 126, 0, 0]);
    head.writeUInt16BE(length, 2);
  } else {
    head = Buffer.alloc(10);
    head.set([0x80 | opcode, bit | 127]);
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, mask, Buffer.alloc(length, 0x88)]);
}

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];

it('knows the ends of frames of every form of length, however the bytes are cut', () => {
  for (const masked of [false, true]) {
    for (const length of LENGTHS) {
      const bytes = frame(2, length, masked);
      for (const size of [1, 3, 1_000, bytes.length]) {
        const frames = new Frames();
        let early = 0;
        for (let at = 0; at < bytes.length; at += size) {
          if (at > 0 && frames.whole) early += 1;
          frames.pass(bytes.subarray(at, at + size));
        }
        expect([early, frames.whole]).toEqual([0, true]);
        expect(frames.closed).toBe(false);
      }
    }
  }
});

it('passes no further than the end of the frame under way', () => {
  const frames = new Frames();
  const [first, second] = [frame(1, 300), frame(1, 5)];
  frames.pass(first.subarray(0, 10));
  expect(frames.passFrame(Buffer.concat([first.subarray(10), second]))).toBe(first.length - 10);
  expect(frames.whole).toBe(true);
  expect(frames.passFrame(second)).toBe(0);
});

it('sees a close frame, and none in the payload of another', () => {
  const frames = new Frames();
  frames.pass(Buffer.concat([frame(2, 200), frame(9, 4)]));
  expect(frames.closed).toBe(false);
  frames.pass(frame(8, 2));
  expect(frames.closed).toBe(true);
});

it('makes close frames with a code and a reason of at most 123 bytes', () => {
  expect(closeFrame(4_401, 'killed')).toEqual(
    Buffer.concat([Buffer.from([0x88, 8, 0x11, 0x31]), Buffer.from('killed')]),
  );
  const long = closeFrame(1_001, 'x'.repeat(500));
  expect(long).toHaveLength(127);
  expect(long[1]).toBe(125);
});
