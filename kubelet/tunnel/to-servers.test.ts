/** Which tunnels a node keeps as servers come and go. */
import { expect, it } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { serversOf } from "./servers.ts";
import { createServerTunnels, type TunnelRun } from "./to-servers.ts";

function scene(servers: readonly string[], reachable: readonly string[]) {
  const clock = fakeClock();
  const stop = new AbortController();
  const up = new Set(reachable);
  const running = new Map<string, TunnelRun>();
  const run = async (server: string, until: TunnelRun) => {
    running.set(server, until);
    if (up.has(server)) queueMicrotask(() => until.onState(true));
    await new Promise<void>((resolve) => {
      until.signal.addEventListener("abort", () => resolve());
      until.enough.addEventListener("abort", () => resolve());
    });
    if (running.get(server) === until) running.delete(server);
  };
  const tunnels = createServerTunnels({ servers, fallback: "lb", run, clock, log: silent, signal: stop.signal });
  return { clock, stop, up, tunnels, running, kept: () => [...running.keys()].sort() };
}

it("keeps one to each server, and follows their number", async () => {
  const { tunnels, kept, stop, clock } = scene(["a", "b"], ["a", "b", "c"]);
  await clock.advance(10_000);
  expect(kept()).toEqual(["a", "b"]);
  tunnels.servers(["b", "c"]);
  await clock.advance(0);
  expect(kept()).toEqual(["b", "c"]);
  stop.abort();
  await tunnels.done();
  expect(kept()).toEqual([]);
});

it("begins with the address it joined by, and gives that up once a server itself is reached", async () => {
  const { tunnels, kept, clock } = scene([], ["lb", "a"]);
  expect(kept()).toEqual(["lb"]);
  tunnels.servers(["a"]);
  await clock.advance(0);
  expect(kept()).toEqual(["a"]);
});

it("goes through the address it joined by while no server itself is reached", async () => {
  const { kept, clock, running, up } = scene(["a", "b"], ["lb"]);
  await clock.advance(4_000);
  expect(kept()).toEqual(["a", "b"]);
  await clock.advance(2_000);
  expect(kept()).toEqual(["a", "b", "lb"]);
  up.add("a");
  running.get("a")?.onState(true);
  await clock.advance(0);
  expect(kept()).toEqual(["a", "b"]);
  running.get("a")?.onState(false);
  await clock.advance(6_000);
  expect(kept()).toEqual(["a", "b", "lb"]);
});

it("never keeps two to the address it joined by, where that is a server's own", async () => {
  const { kept, clock } = scene(["lb", "b"], ["lb", "b"]);
  await clock.advance(60_000);
  expect(kept()).toEqual(["b", "lb"]);
});

it("reads the servers from what default/kubernetes leads to", () => {
  const head = { apiVersion: "v1", kind: "Endpoints" };
  const metadata = { name: "kubernetes", namespace: "default", uid: "u", resourceVersion: "1", creationTimestamp: "" };
  const subset = (port: number, ...ips: string[]) => ({ addresses: ips.map((ip) => ({ ip })), ports: [{ port }] });
  expect(
    serversOf({ ...head, metadata, subsets: [subset(6443, "10.0.0.2", "10.0.0.1"), subset(7443, "fd00::1")] }),
  ).toEqual(["https://10.0.0.1:6443", "https://10.0.0.2:6443", "https://[fd00::1]:7443"]);
  expect(serversOf({ ...head, metadata })).toEqual([]);
});
