/** Cases that every framing of exec and port-forward passes: see channels.test.ts. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../process/clock.ts";
import { acceptExec, acceptPortForward, execOptionsOf } from "./accept.ts";
import type { ExecOptions, ExecServerSession, PortForwardServerSession } from "./channels.ts";
import { type DialTarget, dialExec, dialPortForward } from "./dial.ts";

const services = { clock: systemClock };
type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server as the kubelet's. */
async function serve(onUpgrade: OnUpgrade) {
  const server = createServer().on("upgrade", onUpgrade).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const open: Duplex[] = [];
  const target = (path: string, framing?: DialTarget["framing"]): DialTarget => ({
    connect: () => {
      const socket = connect(port, "127.0.0.1");
      open.push(socket);
      return socket;
    },
    host: "kubelet",
    path,
    ...(framing ? { framing } : {}),
  });
  return { target, cut: () => open[0]?.destroy() };
}

const all: ExecOptions = { stdin: true, stdout: true, stderr: true, tty: false };

const queryOf = (options: ExecOptions) =>
  new URLSearchParams(
    Object.entries({ input: options.stdin, output: options.stdout, error: options.stderr, tty: options.tty })
      .filter(([, on]) => on)
      .map(([name]): [string, string] => [name, "1"]),
  );

async function execSession(framing: DialTarget["framing"], options = all) {
  const accepted = Promise.withResolvers<ExecServerSession>();
  const { target, cut } = await serve((request, socket, head) => {
    const asked = execOptionsOf(new URL(request.url ?? "", "http://x").searchParams);
    acceptExec(request, socket, head, asked, services).then(accepted.resolve, accepted.reject);
  });
  const client = await dialExec(target(`/exec?${queryOf(options)}`, framing), options, services);
  return { client, server: await accepted.promise, cut };
}

async function forwardSession() {
  const accepted = Promise.withResolvers<PortForwardServerSession>();
  const { target, cut } = await serve((request, socket, head) => {
    acceptPortForward(request, socket, head, services).then(accepted.resolve, accepted.reject);
  });
  const client = await dialPortForward(target("/portForward"), services);
  return { client, server: await accepted.promise, cut };
}

const text = async (stream: Readable | undefined) => Buffer.concat((await stream?.toArray()) ?? []).toString();

export function execCases(framing: DialTarget["framing"]): void {
  describe(`exec over ${framing}`, () => {
    test("output of both streams arrives whole, and the exit code after it", async () => {
      const { client, server } = await execSession(framing);
      server.stdout!.write("out");
      server.stderr!.write("err");
      void server.finish({ kind: "exited", code: 3 });
      expect(await Promise.all([text(client.stdout), text(client.stderr)])).toEqual(["out", "err"]);
      expect(await client.outcome).toEqual({ kind: "exited", code: 3 });
    });

    test("closing the client's input ends the command's input, and output goes on", async () => {
      const { client, server } = await execSession(framing);
      client.stdin!.end("hello");
      expect(await text(server.stdin)).toBe("hello");
      server.stdout!.write("bye");
      void server.finish({ kind: "exited", code: 0 });
      expect(await text(client.stdout)).toBe("bye");
      expect(await client.outcome).toEqual({ kind: "exited", code: 0 });
    });

    test("a failure to run arrives with its message", async () => {
      const { client, server } = await execSession(framing);
      void server.finish({ kind: "failed", message: "container not found" });
      expect(await client.outcome).toEqual({
        kind: "failed",
        message: "Internal error occurred: container not found",
      });
    });

    test("the terminal's size reaches a listener that comes later", async () => {
      const { client, server } = await execSession(framing, { stdin: true, stdout: true, stderr: false, tty: true });
      client.resize({ width: 120, height: 40 });
      client.stdin!.write("x");
      await new Promise((resolve) => server.stdin!.once("data", resolve));
      await systemClock.sleep(20);
      const size = await new Promise((resolve) => server.onResize(resolve));
      expect(size).toEqual({ width: 120, height: 40 });
      await server.finish({ kind: "exited", code: 0 });
    });

    test("a connection cut in the middle aborts the session and rejects the outcome", async () => {
      const { client, server, cut } = await execSession(framing);
      client.stdout!.resume().on("error", () => {});
      client.stderr!.resume().on("error", () => {});
      server.stdin!.resume().on("error", () => {});
      cut();
      await expect(client.outcome).rejects.toThrow(/clos/);
      if (!server.signal.aborted) await new Promise((resolve) => server.signal.addEventListener("abort", resolve));
    });

    test("a client that does not read stops the command's output, and gets it all in the end", async () => {
      const { client, server } = await execSession(framing);
      const total = 32 * 1024 * 1024;
      let written = 0;
      const writing = (async () => {
        for (const piece = Buffer.alloc(64 * 1024, "x"); written < total; written += piece.length) {
          if (!server.stdout!.write(piece)) await new Promise((resolve) => server.stdout!.once("drain", resolve));
        }
        await server.finish({ kind: "exited", code: 0 });
      })();
      await systemClock.sleep(200);
      expect(written).toBeLessThan(total / 2);
      expect((await text(client.stdout)).length).toBe(total);
      await writing;
      expect(await client.outcome).toEqual({ kind: "exited", code: 0 });
    });

    test("a request without any stream is refused", async () => {
      const none = { stdin: false, stdout: false, stderr: false, tty: false };
      const { target } = await serve((request, socket, head) => {
        acceptExec(request, socket, head, none, services).catch(() => {});
      });
      await expect(dialExec(target("/exec", framing), none, services)).rejects.toThrow("at least 1 of stdin");
    });

    test("a server that does not upgrade shows its own answer", async () => {
      const { target } = await serve((_request, socket) => {
        socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 12\r\n\r\nno such pod\n");
      });
      await expect(dialExec(target("/exec", framing), all, services)).rejects.toThrow("no such pod");
    });
  });
}

export function portForwardCases(): void {
  describe("port-forward over spdy", () => {
    test("several connections run side by side, each half-closing on its own", async () => {
      const { client, server } = await forwardSession();
      server.onConnection(({ port, data }) => {
        text(data).then((asked) => data.end(`${port}:${asked}`));
      });
      const answers = [80, 443, 80].map(async (port, index) => {
        const connection = await client.connect(port);
        connection.end(`request ${index}`);
        return text(connection);
      });
      expect(await Promise.all(answers)).toEqual(["80:request 0", "443:request 1", "80:request 2"]);
      client.close();
    });

    test("a port where nobody listens destroys the connection with the reason", async () => {
      const { client, server } = await forwardSession();
      server.onConnection(({ fail }) => fail("connection refused"));
      const connection = await client.connect(81);
      const error = await new Promise<Error>((resolve) => connection.once("error", resolve));
      expect(error.message).toMatch(/connection refused|reset/);
      client.close();
    });

    test("a connection that nobody reads does not stop the others", async () => {
      const { client, server } = await forwardSession();
      server.onConnection(({ port, data }) => {
        data.on("error", () => {});
        if (port === 1) data.write(Buffer.alloc(4 * 1024 * 1024));
        else data.end("quick");
      });
      const stuck = await client.connect(1);
      await systemClock.sleep(50);
      expect(await text(await client.connect(2))).toBe("quick");
      stuck.destroy();
      client.close();
    });
  });
}
