/** gRPC channel: what a containerd that is not ready answers, by a server of grpc-js on a socket. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { type GrpcMethod, openChannel } from "./grpc.ts";

const method: GrpcMethod<string, string> = {
  path: "/test.Service/Say",
  encode: (text) => Buffer.from(text),
  decode: (bytes) => bytes.toString(),
};

const directory = mkdtempSync(join(tmpdir(), "k8ts-grpc-"));
const ends: (() => void)[] = [() => rmSync(directory, { recursive: true, force: true })];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

test("channel to a containerd that says it is not initialized asks again until it is", async () => {
  const server = new Server();
  let asked = 0;
  const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };
  server.addService(
    {
      say: {
        path: method.path,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes.serialize,
        requestDeserialize: bytes.deserialize,
        responseSerialize: bytes.serialize,
        responseDeserialize: bytes.deserialize,
      },
    },
    {
      say(call: { request: Buffer }, answer: (error: object | null, value?: Buffer) => void) {
        if (++asked < 3) answer({ code: status.UNKNOWN, details: "server is not initialized yet" });
        else answer(null, Buffer.from(`said ${call.request}`));
      },
    },
  );
  const socket = join(directory, "socket");
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  const channel = openChannel(socket, systemClock);
  ends.push(
    () => channel.close(),
    () => server.forceShutdown(),
  );
  expect(await channel.call(method, "yes")).toBe("said yes");
  expect(asked).toBe(3);
});
