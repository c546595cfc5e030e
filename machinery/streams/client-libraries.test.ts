/** What client libraries speak and kubectl does not: plain WebSocket channels, older protocols, base64. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "../process/clock.ts";
import { acceptExec, acceptPortForward } from "./accept.ts";
import type { ExecServerSession, ForwardedConnection, PortForwardServerSession } from "./channels.ts";

const services = { clock: systemClock };
const servers: Server[] = [];
const sockets: WebSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const server of servers.splice(0)) server.close();
});

interface Received {
  readonly ws: WebSocket;
  readonly messages: Buffer[];
  closed: Promise<number>;
}

async function connect(server: Server, path: string, protocols: string[]): Promise<Received> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const ws = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, protocols);
  sockets.push(ws);
  const messages: Buffer[] = [];
  ws.on("message", (message: Buffer) => messages.push(message));
  const closed = new Promise<number>((resolve) => ws.once("close", resolve));
  await new Promise((resolve, reject) => ws.once("open", resolve).once("error", reject));
  return { ws, messages, closed };
}

async function exec(protocols: string[]): Promise<Received & { session: ExecServerSession }> {
  const accepted = Promise.withResolvers<ExecServerSession>();
  const options = { stdin: true, stdout: true, stderr: true, tty: false };
  const server = createServer().on("upgrade", (request, socket, head) => {
    acceptExec(request, socket, head, options, services).then(accepted.resolve, accepted.reject);
  });
  const received = await connect(server, "/exec", protocols);
  return { ...received, session: await accepted.promise };
}

const channel = (messages: readonly Buffer[], number: number) =>
  Buffer.concat(messages.filter((message) => message[0] === number).map((message) => message.subarray(1))).toString();

describe("exec", () => {
  test("without a protocol the error channel is plain text", async () => {
    const { session, messages, closed } = await exec([]);
    session.stdout!.write("out");
    await session.finish({ kind: "exited", code: 2 });
    expect(await closed).toBe(1000);
    expect(channel(messages, 1)).toBe("out");
    expect(channel(messages, 3)).toBe("command terminated with exit code 2");
  });

  test("v4 ends with a Status that has the exit code, and success is told too", async () => {
    const failed = await exec(["v4.channel.k8s.io"]);
    await failed.session.finish({ kind: "exited", code: 2 });
    await failed.closed;
    expect(JSON.parse(channel(failed.messages, 3))).toMatchObject({
      status: "Failure",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "2" }] },
    });
    const fine = await exec(["v4.channel.k8s.io"]);
    await fine.session.finish({ kind: "exited", code: 0 });
    await fine.closed;
    expect(JSON.parse(channel(fine.messages, 3))).toMatchObject({ status: "Success" });
  });

  test("base64 carries a digit and text, both ways", async () => {
    const { session, ws, messages, closed } = await exec(["v4.base64.channel.k8s.io"]);
    ws.send(`0${Buffer.from("typed").toString("base64")}`);
    const [typed] = await new Promise<[Buffer]>((resolve) => session.stdin!.once("data", (chunk) => resolve([chunk])));
    expect(typed.toString()).toBe("typed");
    session.stdout!.write("shown");
    await session.finish({ kind: "exited", code: 0 });
    await closed;
    const shown = messages.map(String).filter((message) => message.startsWith("1") && message.length > 1);
    expect(Buffer.from(shown[0]!.slice(1), "base64").toString()).toBe("shown");
  });

  test("protocols that nobody knows are refused", async () => {
    const server = createServer().on("upgrade", (request, socket, head) => {
      const options = { stdin: false, stdout: true, stderr: false, tty: false };
      acceptExec(request, socket, head, options, services).catch(() => {});
    });
    await expect(connect(server, "/exec", ["v9.channel.k8s.io"])).rejects.toThrow("400");
  });

  test("garbage from a client ends its session and nothing else", async () => {
    const { session, ws } = await exec(["v5.channel.k8s.io"]);
    ws.send(Buffer.alloc(0));
    ws.send(Buffer.from([77, 1, 2]));
    ws.send(Buffer.from([4, 0x7b]));
    ws.send(Buffer.alloc(2 * 1024 * 1024));
    await new Promise<void>((resolve) => session.signal.addEventListener("abort", () => resolve()));
  });
});

describe("port-forward", () => {
  async function forward(query: string, serve: (connection: ForwardedConnection) => void): Promise<Received> {
    const server = createServer().on("upgrade", (request, socket, head) => {
      acceptPortForward(request, socket, head, services).then(
        (session: PortForwardServerSession) => session.onConnection(serve),
        () => {},
      );
    });
    return connect(server, `/portForward?${query}`, ["v4.channel.k8s.io"]);
  }

  test("each port has a channel for data and one for errors, opened with its number", async () => {
    const { ws, messages } = await forward("port=80&port=443", ({ port, data }) => {
      data.once("data", (asked: Buffer) => data.write(`${port}:${asked}`));
    });
    ws.send(Buffer.concat([Buffer.from([2]), Buffer.from("hello")]));
    while (channel(messages, 2).length < 11) await systemClock.sleep(5);
    expect(messages.slice(0, 4).map((message) => [message[0], message.readUInt16LE(1)])).toEqual([
      [0, 80],
      [1, 80],
      [2, 443],
      [3, 443],
    ]);
    expect(channel(messages, 2).slice(2)).toBe("443:hello");
  });

  test("a port where nobody listens tells it on its error channel", async () => {
    const { messages, closed } = await forward("port=81", ({ fail }) => fail("connection refused"));
    await closed;
    expect(channel(messages, 1).slice(2)).toBe("connection refused");
  });

  test("a request without ports, or with impossible ones, is refused", async () => {
    await expect(forward("", () => {})).rejects.toThrow("400");
    await expect(forward("port=70000", () => {})).rejects.toThrow("400");
  });
});
