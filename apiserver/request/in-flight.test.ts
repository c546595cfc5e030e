import { expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { createMetrics } from "../../machinery/process/metrics.ts";
import { type Arriving, createInFlight, defaultBounds, type Leave } from "./in-flight.ts";

const shares = (everyone: number) => ({ everyone, system: everyone + 1, vital: everyone + 2 });

function start(everyone = 1, waiting = { all: 100, ofOne: 50 }) {
  const clock = fakeClock(0, 1);
  const metrics = createMetrics();
  const inFlight = createInFlight({
    clock,
    metrics,
    bounds: { ...defaultBounds, requests: shares(everyone), waiting },
  });
  const order: string[] = [];
  const enter = (user: string, more: Partial<Arriving> = {}) => {
    const peer = { kind: "certificate", user, groups: [] } as const;
    return inFlight.enter({ peer, method: "GET", path: "/api/v1/pods", bytes: 0, flow: user, ...more });
  };
  /** Enters, notes when it is let in, and stays. */
  const come = async (user: string, more: Partial<Arriving> = {}): Promise<Leave | undefined> => {
    const leave = await enter(user, more);
    order.push(leave ? user : `${user} refused`);
    return leave;
  };
  return { clock, metrics, enter, come, order };
}

const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await undefined;
};

test("who finds room enters at once, without a promise", () => {
  const { enter } = start();
  expect(typeof enter("ann")).toBe("function");
  expect(enter("bob")).toBeInstanceOf(Promise);
});

test("those who wait take turns by user, however many one of them has", async () => {
  const { come, order } = start();
  const leaves: Promise<Leave | undefined>[] = [];
  for (let index = 0; index < 6; index++) leaves.push(come("crowd"));
  leaves.push(come("ann"), come("bob"), come("ann"));
  for (const leave of leaves.slice(0, 1)) (await leave)?.();
  for (let turn = 0; turn < 20; turn++) {
    await settled();
    for (const leave of leaves) void leave.then((done) => done?.());
  }
  expect(order).toEqual(["crowd", "crowd", "ann", "bob", "crowd", "ann", "crowd", "crowd", "crowd"]);
});

test("components and heartbeats go past those who wait", async () => {
  const { enter, come, order } = start();
  const first = enter("crowd") as Leave;
  void come("crowd");
  void come("system:kube-scheduler");
  await settled();
  expect(order).toEqual(["system:kube-scheduler"]);
  void come("system:kube-scheduler");
  const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
  void come("system:node:n1", { method: "PUT", path: LEASE });
  await settled();
  expect(order).toEqual(["system:kube-scheduler", "system:node:n1"]);
  first();
});

test("nobody waits for ever, nor does a queue grow for ever", async () => {
  const { clock, metrics, enter, come, order } = start(1, { all: 3, ofOne: 2 });
  enter("ann");
  for (const user of ["bob", "bob", "bob", "eve", "eve"]) void come(user);
  await settled();
  expect(order).toEqual(["bob refused", "eve refused"]);
  await clock.advance(limits.requestWaitMs + 1);
  await settled();
  expect(order).toEqual(["bob refused", "eve refused", "bob refused", "bob refused", "eve refused"]);
  const text = await metrics.text();
  expect(text).toContain('rejected_requests_total{priority_level="everyone",reason="queue-full"} 2');
  expect(text).toContain('rejected_requests_total{priority_level="everyone",reason="time-out"} 3');
});

test("leaving twice leaves once", async () => {
  const { enter } = start();
  const leave = enter("ann") as Leave;
  leave();
  leave();
  expect(typeof enter("bob")).toBe("function");
  expect(enter("eve")).toBeInstanceOf(Promise);
});
