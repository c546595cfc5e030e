/**
 * HTTP connection: one kept-alive connection that sends ready-made requests and counts answers.
 *
 * Much lighter than Node's own client, so that the load process is never what limits the server.
 * It reads just enough of HTTP/1.1 to find where an answer ends.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Where a server of the benchmark listens, and who the client is. */
export interface Target {
  readonly transport: "https" | "unix";
  readonly port: number;
  readonly socket: string;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export interface Answer {
  readonly status: number;
  /** Bytes of the body. */
  readonly bytes: number;
  /** The beginning of the body, for messages. */
  readonly start: string;
}

export interface HttpConnection {
  /** One at a time. `arrived` hears of each piece of the answer. */
  send(request: Uint8Array, arrived?: () => void): Promise<Answer>;
  /** Sends and hands every byte of the answer to `receive`, until the connection is closed. */
  stream(request: Uint8Array, receive: (chunk: Buffer) => void): void;
  close(): void;
}

export async function openConnection(target: Target): Promise<HttpConnection> {
  const socket = await open(target);
  socket.setNoDelay(true);
  let reader: AnswerReader | undefined;
  let settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  let receive: ((chunk: Buffer) => void) | undefined;
  let hear: (() => void) | undefined;
  let closed = false;

  const broken = (error: Error) => {
    if (!closed && settle) settle.reject(error);
    settle = undefined;
  };
  socket.on("data", (chunk: Buffer) => {
    if (receive) return receive(chunk);
    hear?.();
    const answer = reader?.read(chunk);
    if (!answer) return;
    const { resolve } = settle as NonNullable<typeof settle>;
    settle = undefined;
    resolve(answer);
  });
  socket.on("error", broken);
  socket.on("close", () => broken(new Error("the server closed the connection")));
  return {
    send: (request, arrived) =>
      new Promise((resolve, reject) => {
        hear = arrived;
        settle = { resolve, reject };
        reader = new AnswerReader();
        socket.write(request);
      }),
    stream(request, listener) {
      receive = listener;
      socket.write(request);
    },
    close() {
      closed = true;
      socket.destroy();
    },
  };
}

function open({ transport, port, socket: path, authority, certificate, key }: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      transport === "unix"
        ? connectTcp({ path })
        : connectTls({ host: "127.0.0.1", port, ca: authority, cert: certificate, key, ALPNProtocols: ["http/1.1"] });
    socket.once("error", reject);
    socket.once(transport === "unix" ? "connect" : "secureConnect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Finds the end of one answer, with a length or in chunks. */
class AnswerReader {
  private head: Buffer | undefined;
  private status = 0;
  /** Bytes of the body, or of the chunk, that are still to come; undefined while the head is. */
  private left: number | undefined;
  private chunked = false;
  private bytes = 0;
  private start = "";
  /** A line of a chunked body that is not whole yet. */
  private line = "";

  /** Undefined while more is to come. */
  read(chunk: Buffer): Answer | undefined {
    let at = 0;
    if (this.left === undefined) {
      const all = this.head ? Buffer.concat([this.head, chunk]) : chunk;
      const end = all.indexOf("\r\n\r\n");
      if (end < 0) {
        this.head = all;
        return undefined;
      }
      this.readHead(all.toString("latin1", 0, end));
      chunk = all;
      at = end + 4;
    }
    if (this.start === "") this.start = chunk.toString("latin1", at, at + 300);
    return this.chunked ? this.readChunks(chunk, at) : this.readLength(chunk, at);
  }

  private readHead(head: string): void {
    this.status = Number(head.slice(9, 12));
    this.chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    this.left = this.chunked ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  }

  private readLength(chunk: Buffer, at: number): Answer | undefined {
    this.bytes += chunk.length - at;
    return this.bytes >= (this.left as number) ? this.answer() : undefined;
  }

  private readChunks(chunk: Buffer, from: number): Answer | undefined {
    let at = from;
    while (at < chunk.length) {
      const skipped = Math.min(this.left as number, chunk.length - at);
      this.left = (this.left as number) - skipped;
      at += skipped;
      if (at >= chunk.length) return undefined;
      // between chunks: "\r\n", the size, "\r\n"; the last size is 0
      const end = chunk.indexOf(0x0a, at);
      this.line += chunk.toString("latin1", at, end < 0 ? chunk.length : end);
      if (end < 0) return undefined;
      at = end + 1;
      const text = this.line.trim();
      this.line = "";
      if (text === "") continue;
      const size = Number.parseInt(text, 16);
      if (size === 0) return this.answer();
      this.bytes += size;
      this.left = size;
    }
    return undefined;
  }

  private answer(): Answer {
    return { status: this.status, bytes: this.bytes, start: this.start };
  }
}
