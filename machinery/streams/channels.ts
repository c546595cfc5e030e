/**
 * Channels: what a session of exec, attach or port-forward is, whatever carries it.
 *
 * Two framings implement it, WebSocket (websocket.ts) and SPDY/3.1 (spdy/); both pass channels.cases.ts.
 * A server takes sessions by accept.ts, a client opens them by dial.ts. Code that runs commands sees
 * only what stands here. Every stream has back-pressure; nothing buffers without limit.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import type { Clock } from "../process/clock.ts";

/** Which streams a session has. With `tty` there is no stderr: the terminal is one stream. */
export interface ExecOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** How a session ended: the command's exit code, or why there is none. */
export type ExecOutcome =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "failed"; readonly message: string };

/** The end at which the command runs. */
export interface ExecServerSession {
  readonly options: ExecOptions;
  /** Ends when the client closed its input (possible in v5 and SPDY) or went away. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Sizes of the client's terminal: the last one known at once, later ones as they come. */
  onResize(listener: (size: TerminalSize) => void): void;
  /** Flushes what was written, tells the client the outcome and closes. Once; later calls do nothing. */
  finish(outcome: ExecOutcome): Promise<void>;
  /** Aborted when the session is over, whoever ended it. */
  readonly signal: AbortSignal;
}

/** The end at which someone waits for the command. */
export interface ExecClientSession {
  /** `end()` closes the command's input. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  resize(size: TerminalSize): void;
  /** Resolves when the server has told it; rejects with an Error when the connection broke before. */
  readonly outcome: Promise<ExecOutcome>;
  close(): void;
}

/** One connection that a port-forward client made. */
export interface ForwardedConnection {
  readonly port: number;
  readonly data: Duplex;
  /** Tells the client why the connection could not be served, and ends it. */
  fail(message: string): void;
}

export interface PortForwardServerSession {
  /** Called for each connection; what came before the first listener is kept. */
  onConnection(listener: (connection: ForwardedConnection) => void): void;
  readonly signal: AbortSignal;
  close(): void;
}

export interface PortForwardClientSession {
  /** A connection to `port` in the Pod; destroyed with an Error when the other end reports a failure. */
  connect(port: number): Promise<Duplex>;
  readonly signal: AbortSignal;
  close(): void;
}

/** An HTTP upgrade request as `accept` needs it; node's IncomingMessage fits. */
export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** node holds the socket back until the request's body was read, be it empty ("content-length: 0"). */
  resume?(): unknown;
}

export interface StreamServices {
  readonly clock: Clock;
}
