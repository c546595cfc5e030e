/**
 * Endpoint: a process in a network namespace of its own, as a Pod is: it listens, and speaks to others when told.
 *
 * Started by startChild with `unshare --net`. Whatever it opens is bounded by what it is told, and ends with it.
 */
import { createSocket } from "node:dgram";
import { createConnection, createServer, type Socket } from "node:net";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { answerCommands } from "../bench/child.ts";

export interface Place {
  readonly address: string;
  readonly port: number;
  readonly protocol?: "tcp" | "udp";
}

const LIMIT_MS = 300;
const kept = new Map<string, Socket>();

answerCommands(
  {
    /** Answers what is sent to the port with the same, by TCP and UDP. */
    async listen(port: number): Promise<void> {
      const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
      await new Promise<void>((resolve) => server.listen(port, "::", resolve));
      const udp = createSocket("udp6");
      udp.on("message", (message, from) => udp.send(message, from.port, from.address));
      await new Promise<void>((resolve) => udp.bind(port, "::", resolve));
    },
    /** Whether something sent there comes back. */
    reach: (place: Place): Promise<boolean> => (place.protocol === "udp" ? reachUdp(place) : reachTcp(place)),
    /** Opens a connection that `speak` goes on using. */
    open(place: Place): Promise<void> {
      return new Promise((resolve, reject) => {
        const socket = createConnection(place.port, place.address, resolve);
        socket.on("error", reject);
        kept.set(`${place.address}:${place.port}`, socket);
      });
    },
    speak(place: Place): Promise<boolean> {
      const socket = kept.get(`${place.address}:${place.port}`);
      return new Promise((resolve) => {
        const timer = clock.after(5_000, () => resolve(false));
        socket?.once("data", () => {
          timer.cancel();
          resolve(true);
        });
        socket?.write("x");
      });
    },
  },
  async () => undefined,
);

function reachTcp({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, address);
    const finish = (reached: boolean) => {
      timer.cancel();
      socket.destroy();
      resolve(reached);
    };
    const timer = clock.after(LIMIT_MS, () => finish(false));
    socket.on("error", () => finish(false));
    socket.on("connect", () => socket.write("x"));
    socket.on("data", () => finish(true));
  });
}

function reachUdp({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const finish = (reached: boolean) => {
      timer.cancel();
      socket.close();
      resolve(reached);
    };
    const timer = clock.after(LIMIT_MS, () => finish(false));
    socket.on("error", () => finish(false));
    socket.on("message", () => finish(true));
    socket.send("x", port, address);
  });
}
