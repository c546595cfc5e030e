/**
 * Pause: the program and the image that hold a pod's namespaces.
 *
 * As process 1 of a pod it may do two things only: reap what was orphaned to it, and end on SIGTERM or
 * SIGINT. It must never end by itself. Written out as machine code, so that no registry and no
 * compiler is needed. It blocks all signals and takes them one by one, which works as process 1 too,
 * where signals without a handler are dropped.
 */
import type { ImageArchive } from "./build.ts";

export type Architecture = "amd64" | "arm64";

/** The architecture of the machine in Go's words, as images say it. */
export function architectureOf(arch: string): Architecture {
  if (arch === "x64") return "amd64";
  if (arch === "arm64") return "arm64";
  throw new Error(`there is no pause program for ${arch}`);
}

export function pauseImage(name: string, architecture: Architecture): ImageArchive {
  return {
    name,
    architecture,
    layers: [[{ path: "pause", mode: 0o755, content: pauseProgram(architecture) }]],
    config: { Entrypoint: ["/pause"], User: "65535:65535" },
  };
}

export function pauseProgram(architecture: Architecture): Buffer {
  return architecture === "amd64" ? elf(62, AMD64) : elf(183, arm64());
}

/** The set of all signals lies behind the code. */
const ALL_SIGNALS = Buffer.alloc(8, 0xff);

const AMD64 = Buffer.from(
  [
    "b8 0e 00 00 00", //        mov eax, 14          rt_sigprocmask(
    "31 ff", //                 xor edi, edi           SIG_BLOCK,
    "48 8d 35 54 00 00 00", //  lea rsi, [rip+0x54]    all signals,
    "31 d2", //                 xor edx, edx           NULL,
    "41 ba 08 00 00 00", //     mov r10d, 8            8 bytes)
    "0f 05", //                 syscall
    // next:
    "b8 80 00 00 00", //        mov eax, 128         rt_sigtimedwait(
    "48 8d 3d 3e 00 00 00", //  lea rdi, [rip+0x3e]    all signals,
    "31 f6", //                 xor esi, esi           NULL,
    "31 d2", //                 xor edx, edx           no time limit,
    "41 ba 08 00 00 00", //     mov r10d, 8            8 bytes)
    "0f 05", //                 syscall
    "83 f8 11", //              cmp eax, 17          SIGCHLD:
    "74 0c", //                 je reap
    "83 f8 0f", //              cmp eax, 15          SIGTERM:
    "74 1f", //                 je leave
    "83 f8 02", //              cmp eax, 2           SIGINT:
    "74 1a", //                 je leave
    "eb d7", //                 jmp next
    // reap:
    "b8 3d 00 00 00", //        mov eax, 61          wait4(
    "6a ff 5f", //              push -1; pop rdi       any child,
    "31 f6", //                 xor esi, esi           NULL,
    "6a 01 5a", //              push 1; pop rdx        WNOHANG,
    "45 31 d2", //              xor r10d, r10d         NULL)
    "0f 05", //                 syscall
    "85 c0", //                 test eax, eax
    "7f ea", //                 jg reap              while there are more
    "eb bf", //                 jmp next
    // leave:
    "b8 3c 00 00 00", //        mov eax, 60          exit(
    "31 ff", //                 xor edi, edi           0)
    "0f 05", //                 syscall
  ]
    .join("")
    .replaceAll(" ", ""),
  "hex",
);

function arm64(): Buffer {
  const NEXT = 6;
  const REAP = 19;
  const LEAVE = 28;
  const END = 31;
  const word = (value: number) => value >>> 0;
  const movz = (register: number, value: number) => word(0xd2800000 | (value << 5) | register);
  const call = (number: number) => [movz(8, number), 0xd4000001]; // mov x8, number; svc #0
  const adr = (register: number, from: number, to: number) => word(0x10000000 | ((to - from) << 5) | register);
  const compare = (value: number) => word(0x7100001f | (value << 10)); // cmp w0, value
  const branchIf = (condition: number, from: number, to: number) =>
    word(0x54000000 | (((to - from) & 0x7ffff) << 5) | condition);
  const branch = (from: number, to: number) => word(0x14000000 | ((to - from) & 0x3ffffff));
  const EQUAL = 0;
  const GREATER = 12;

  // one instruction a word; the numbers on the right count them
  const words = [
    ...[movz(0, 0), adr(1, 1, END), movz(2, 0), movz(3, 8), ...call(135)], //          0: rt_sigprocmask(SIG_BLOCK, all, NULL, 8)
    ...[adr(0, NEXT, END), movz(1, 0), movz(2, 0), movz(3, 8), ...call(137)], //       6: rt_sigtimedwait(all, NULL, NULL, 8)
    ...[compare(17), branchIf(EQUAL, 13, REAP)], //                                   12: SIGCHLD
    ...[compare(15), branchIf(EQUAL, 15, LEAVE)], //                                  14: SIGTERM
    ...[compare(2), branchIf(EQUAL, 17, LEAVE)], //                                   16: SIGINT
    branch(18, NEXT), //                                                              18
    ...[0x92800000, movz(1, 0), movz(2, 1), movz(3, 0), ...call(260)], //             19: wait4(-1, NULL, WNOHANG, NULL)
    ...[compare(0), branchIf(GREATER, 26, REAP), branch(27, NEXT)], //                25: while there are more
    ...[movz(0, 0), ...call(93)], //                                                  28: exit(0)
  ];
  const code = Buffer.alloc(words.length * 4);
  for (const [index, value] of words.entries()) code.writeUInt32LE(word(value), index * 4);
  return code;
}

/** A static ELF of one segment: header, program header, code, signal set. */
function elf(machine: number, code: Buffer): Buffer {
  const BASE = 0x400000n;
  const HEADERS = 64 + 56;
  const size = BigInt(HEADERS + code.length + ALL_SIGNALS.length);
  const head = Buffer.alloc(HEADERS);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1"); // 64 bits, little endian, version 1
  head.writeUInt16LE(2, 16); // an executable
  head.writeUInt16LE(machine, 18);
  head.writeUInt32LE(1, 20); // version
  head.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // entry point
  head.writeBigUInt64LE(64n, 32); // program headers at
  head.writeUInt16LE(64, 52); // size of this header
  head.writeUInt16LE(56, 54); // size of a program header
  head.writeUInt16LE(1, 56); // number of program headers
  head.writeUInt32LE(1, 64); // PT_LOAD
  head.writeUInt32LE(5, 68); // readable, executable
  head.writeBigUInt64LE(BASE, 80); // address
  head.writeBigUInt64LE(BASE, 88);
  head.writeBigUInt64LE(size, 96); // bytes in the file
  head.writeBigUInt64LE(size, 104); // bytes in memory
  head.writeBigUInt64LE(0x10000n, 112); // alignment: arm64 may have pages of 64 KiB
  return Buffer.concat([head, code, ALL_SIGNALS]);
}
