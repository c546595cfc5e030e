import { describe, expect, test } from "vitest";
import { changesOf } from "./node-routes.ts";
import { judged, machineAnswers, type PeerHealth } from "./peer-health.ts";
import { macOf, type Peer, planOf } from "./peers.ts";

const peer = (name: string, address: string, ...ranges: string[]): Peer => ({
  name,
  alive: true,
  addresses: address.split(","),
  ranges,
});
const a = peer("a", "192.0.2.1", "10.42.0.0/24");
const b = peer("b", "192.0.2.2", "10.42.1.0/24");
const far = peer("far", "198.51.100.9", "10.42.2.0/24");
const attached = [{ device: "eth0", cidr: "192.0.2.1/24" }];
const none = new Set<string>();

describe("the way to another node's Pods", () => {
  test("a node on the same link is their router", () => {
    const plan = planOf(a, [b], attached, none);
    expect(plan.routes).toEqual([{ range: "10.42.1.0/24", via: "192.0.2.2", device: "eth0", source: "10.42.0.1" }]);
    expect(plan.tunnel).toBeUndefined();
  });

  test("elsewhere the VXLAN leads to it, and no route of it concerns those on the link", () => {
    const plan = planOf(a, [b, far], attached, none);
    expect(plan.routes.map(({ device }) => device)).toEqual(["eth0", "k8ts-vxlan"]);
    expect(plan.tunnel).toEqual({
      mac: macOf(a),
      local: "192.0.2.1",
      addresses: ["10.42.0.1"],
      neighbours: [{ address: "10.42.2.1", mac: macOf(far), machine: "198.51.100.9" }],
    });
  });

  test("so it does on a link that does not pass Pods' packets on", () => {
    const plan = planOf(a, [b], attached, new Set(["b"]));
    expect(plan.ways.get("b")).toBe("tunnel");
    expect(plan.tunnel?.neighbours).toHaveLength(1);
  });

  test("a single address is no link", () => {
    expect(planOf(a, [b], [{ device: "eth0", cidr: "192.0.2.1/32" }], none).ways.get("b")).toBe("tunnel");
  });

  test("each family by itself: the second goes into the VXLAN where its link is not shared", () => {
    const one = peer("one", "192.0.2.1", "10.42.0.0/24", "fd00:42:0:0::/64");
    const two = peer("two", "192.0.2.2,fd00::2", "10.42.1.0/24", "fd00:42:0:1::/64");
    const plan = planOf(one, [two], attached, none);
    expect(plan.routes.map(({ range, device }) => [range, device])).toEqual([
      ["10.42.1.0/24", "eth0"],
      ["fd00:42:0:1::/64", "k8ts-vxlan"],
    ]);
    const both = [...attached, { device: "eth1", cidr: "fd00::1/64" }];
    expect(planOf(one, [two], both, none).routes[1]).toMatchObject({ via: "fd00::2", device: "eth1" });
  });

  test("nodes without a range are left out; one with another's range is a problem", () => {
    const plan = planOf(a, [peer("new", "192.0.2.3"), peer("same", "192.0.2.4", "10.42.0.0/24")], attached, none);
    expect(plan.routes).toEqual([]);
    expect(plan.problems).toEqual(["node same has the Pod range 10.42.0.0/24 of another node"]);
  });

  test("a node of the other family only is a problem", () => {
    const plan = planOf(a, [peer("six", "fd00::6", "10.42.6.0/24")], attached, none);
    expect(plan.problems[0]).toContain("no address of the family of 192.0.2.1");
  });
});

describe("changes", () => {
  const wanted = planOf(a, [b, far], attached, none).routes;
  const rows = wanted.map(({ range, via, device, source }) => ({
    dst: range,
    gateway: via,
    dev: device,
    prefsrc: source,
  }));

  test("none where all is as planned", () => expect(changesOf(rows, wanted)).toEqual([]));

  test("what is missing is written, what is too much goes", () => {
    expect(changesOf([{ dst: "10.42.9.0/24", gateway: "192.0.2.9", dev: "eth0" }], wanted)).toEqual([
      "route del 10.42.9.0/24 proto 77",
      "route replace 10.42.1.0/24 via 192.0.2.2 dev eth0 src 10.42.0.1 proto 77",
      "route replace 10.42.2.0/24 via 10.42.2.1 dev k8ts-vxlan onlink src 10.42.0.1 proto 77",
    ]);
  });
});

describe("a peer that does not answer", () => {
  const health = (): PeerHealth => ({ dueAt: 0, failures: 0, told: false, settledUntil: 0, wrappedUntil: 0 });
  const look = (state: PeerHealth, answers: boolean, way: "route" | "tunnel", onLink: boolean, now = 0) =>
    judged(state, { answers, way, onLink, now }).do;

  test("is given time, then wrapped if its machine answers", () => {
    const state = health();
    expect([1, 2, 3].map(() => look(state, false, "route", true))).toEqual(["nothing", "nothing", "ask the machine"]);
    expect(machineAnswers(state, true, 0).do).toBe("wrap");
    for (let times = 0; times < 9; times++) expect(look(state, false, "tunnel", true, 60_000)).toBe("nothing");
    expect(look(state, false, "tunnel", true, 301_000)).toBe("unwrap and tell");
  });

  test("is left alone while its machine is dead", () => {
    const state = health();
    for (let times = 0; times < 10; times++) look(state, false, "route", true);
    expect(machineAnswers(state, false, 0).do).toBe("nothing");
  });

  test("gets its route back, and is told, when the VXLAN leads nowhere either; the next try is later", () => {
    const state = health();
    const steps = [1, 2, 3].map(() => look(state, false, "tunnel", true));
    expect(steps.at(-1)).toBe("unwrap and tell");
    for (let times = 0; times < 5; times++) expect(look(state, false, "route", true)).toBe("nothing");
    expect(look(state, false, "route", true, 31 * 60_000)).toBe("ask the machine");
  });

  test("is told once where there is only the VXLAN, and told when it is back", () => {
    const state = health();
    const steps = [1, 2, 3, 4].map(() => look(state, false, "tunnel", false));
    expect(steps).toEqual(["nothing", "nothing", "tell", "nothing"]);
    expect(look(state, true, "tunnel", false)).toBe("tell that it answers");
    expect(look(state, true, "tunnel", false)).toBe("nothing");
  });
});
