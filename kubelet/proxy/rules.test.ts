import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { parseEntries, staleOf } from "./conntrack.ts";
import { targetsOf } from "./endpoints.ts";
import { parseTable } from "./kernel-table.ts";
import { createLedger, type Difference, emptyContent, isEmpty } from "./ledger.ts";
import { type Contribution, serviceRules } from "./service-rules.ts";
import { arranged, createSlots } from "./slots.ts";
import { SETS, type SetName } from "./table.ts";

type Endpoint = NonNullable<EndpointSlice["endpoints"]>[number];
const meta = (name: string) => ({ name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" });
const port = { name: "http", port: 80, protocol: "TCP" };
const place = { nodeName: "here", zone: "z1" };

const service = (spec: object = {}, name = "web"): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name),
  spec: { clusterIP: "10.43.0.5", ports: [port], ...spec },
});
const slice = (endpoints: readonly Endpoint[]): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: meta("web-1"),
  addressType: "IPv4",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  endpoints: [...endpoints],
});
const endpoint = (last: number, more: object = {}): Endpoint => ({
  addresses: [`10.42.0.${last}`],
  conditions: { ready: true },
  nodeName: "here",
  ...more,
});
const draining = { conditions: { ready: false, serving: true, terminating: true } };
const there = { nodeName: "there" };

describe("endpoints of a port", () => {
  const lasts = (all: readonly { readonly address: string }[]) =>
    all.map(({ address }) => Number(address.split(".")[3]));
  const hint = (last: number, zone: string, node?: string) =>
    endpoint(last, {
      ...there,
      hints: { forZones: [{ name: zone }], ...(node ? { forNodes: [{ name: node }] } : {}) },
    });

  test.each<readonly [string, readonly Endpoint[], number[], number[]]>([
    ["ready ones", [endpoint(1), endpoint(2, there)], [1, 2], [1]],
    ["none", [], [], []],
    ["unready ones do not count", [endpoint(1, { conditions: { ready: false } })], [], []],
    ["draining ones while none is ready", [endpoint(1, draining), endpoint(2, { ...draining, ...there })], [1, 2], [1]],
    ["draining ones here though others are ready", [endpoint(1, draining), endpoint(2, there)], [2], [1]],
    ["those of the zone", [hint(1, "z1"), hint(2, "z2")], [1], []],
    ["all where one has no hint", [hint(1, "z1"), endpoint(2, there)], [1, 2], []],
    ["all where none is meant for this zone", [hint(1, "z3"), hint(2, "z2")], [1, 2], []],
    ["those of the node before those of the zone", [hint(1, "z1", "there"), hint(2, "z1", "here")], [2], []],
    ["of an address in two slices the ready one", [endpoint(1), endpoint(1, draining)], [1], [1]],
  ])("%s", (_, endpoints, cluster, local) => {
    const found = targetsOf([slice(endpoints)], port, "IPv4", place);
    expect(lasts(found.cluster)).toEqual(cluster);
    expect(lasts(found.local)).toEqual(local);
  });
});

describe("slots", () => {
  test("at most one endpoint moves for each that leaves", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ maxLength: 3 })), fc.uniqueArray(fc.string({ maxLength: 3 })), (a, b) => {
        const order = arranged(a, b);
        expect([...order].sort()).toEqual([...b].sort());
        const kept = a.filter((one) => b.includes(one));
        const moved = kept.filter((one) => order.indexOf(one) !== a.indexOf(one));
        expect(moved.length).toBeLessThanOrEqual(a.length - kept.length);
      }),
    );
  });
});

describe("what a Service asks for", () => {
  const rules = (spec: object, endpoints: readonly Endpoint[], more: Partial<Service> = {}) =>
    serviceRules({ ...service(spec), ...more }, [slice(endpoints)], "IPv4", {
      place,
      pods: "10.42.0.0/16",
      slots: createSlots(),
    });
  const claims = ({ claims: all }: Contribution, set: SetName) =>
    all.filter((claim) => claim.set === set).map(({ key, value }) => (value ? `${key} : ${value}` : key));

  test("one endpoint more is one element more, and another way to draw", () => {
    const [one, two] = [rules({}, [endpoint(1)]), rules({}, [endpoint(1), endpoint(2)])];
    expect(claims(one, "services")).toEqual(["10.43.0.5 . 6 . 80 : goto cluster-by-address-1"]);
    expect(claims(two, "services")).toEqual(["10.43.0.5 . 6 . 80 : goto cluster-by-address-2"]);
    expect(claims(two, "outside-by-address-0")).toEqual(claims(one, "outside-by-address-0"));
    expect(claims(two, "outside-by-address-1")).toEqual(["10.43.0.5 . 6 . 80 : 10.42.0.2 . 8080"]);
  });

  test("many endpoints have a chain of their own, which is another one when they change", () => {
    const many = (count: number) =>
      rules(
        {},
        Array.from({ length: count }, (_, index) => endpoint(index + 1)),
      );
    const [nine, ten] = [many(9), many(10)];
    expect(claims(nine, "outside-by-address-0")).toEqual([]);
    expect(nine.chains[0]?.rules[1]).toContain("numgen random mod 9 map { 0 : 10.42.0.1 . 8080,");
    expect(nine.chains[0]?.name).not.toBe(ten.chains[0]?.name);
  });

  test.each<readonly [string, object, Partial<Service>]>([
    ["headless", { clusterIP: "None" }, {}],
    ["without an address yet", { clusterIP: "" }, {}],
    ["an alias", { type: "ExternalName" }, {}],
    [
      "somebody else's",
      {},
      { metadata: { ...meta("web"), labels: { "service.kubernetes.io/service-proxy-name": "other" } } },
    ],
  ])("nothing: %s", (_, spec, more) => {
    expect(rules(spec, [endpoint(1)], more).claims).toEqual([]);
  });

  test("a load balancer that sends to node ports gets no rules for its address", () => {
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.7", ipMode: "Proxy" }, { ip: "203.0.113.8" }] } };
    const found = claims(rules({ type: "LoadBalancer" }, [endpoint(1)], { status }), "services").join();
    expect(found).toContain("203.0.113.8");
    expect(found).not.toContain("203.0.113.7");
  });
});

describe("the ledger", () => {
  const claim = (key: string, value: string, rank: string): Contribution => ({
    claims: [{ set: "services", key, value, rank }],
    chains: [{ name: value, rules: [] }],
    memories: [],
    flows: [],
    lists: [],
  });

  test("of several who ask for a key the lowest rank has it, and the next one after it", () => {
    const ledger = createLedger();
    const value = () => ledger.wanted().elements.services.get("k");
    ledger.put("b", claim("k", "of-b", "2"));
    ledger.put("a", claim("k", "of-a", "1"));
    expect(value()).toBe("of-a");
    ledger.put("a", undefined);
    expect(value()).toBe("of-b");
  });

  test("differences lead to what is wanted, whatever happens in between", () => {
    const step = fc.record({
      owner: fc.constantFrom("a", "b", "c"),
      key: fc.constantFrom("k", "l"),
      value: fc.constantFrom("x", "y"),
      asks: fc.boolean(),
      taken: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const ledger = createLedger();
        const kernel = emptyContent();
        for (const { owner, key, value, asks, taken } of steps) {
          ledger.put(owner, asks ? claim(key, value, owner) : undefined);
          const difference = ledger.difference();
          if (!taken) continue;
          apply(kernel as never, difference);
          ledger.settle(difference);
          expect(kernel).toEqual(ledger.wanted());
        }
        apply(kernel as never, ledger.difference());
        expect(kernel).toEqual(ledger.wanted());
        const fresh = createLedger();
        fresh.learn(kernel);
        expect(isEmpty(fresh.difference())).toBe(SETS.every((set) => kernel.elements[set].size === 0));
      }),
    );
  });

  function apply(
    to: { chains: Set<string>; memories: Set<string>; elements: Record<SetName, Map<string, string>> },
    { add, drop, addChains, dropChains }: Difference,
  ): void {
    for (const [set, elements] of drop)
      for (const [key, value] of elements) {
        expect(to.elements[set].get(key)).toBe(value);
        to.elements[set].delete(key);
      }
    for (const [set, elements] of add)
      for (const [key, value] of elements) {
        expect(to.elements[set].has(key)).toBe(false);
        to.elements[set].set(key, value);
      }
    for (const { name } of addChains) to.chains.add(name);
    for (const name of dropChains) to.chains.delete(name);
  }
});

test("a table is read as nft lists it", () => {
  const text = `table ip k8ts-proxy {
	map services {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.43.0.5 . 6 . 80 : goto cluster-by-address-1,
			     10.43.0.6 . 17 . 53 : goto cluster-by-address-2 }
	}

	set hairpins {
		type ipv4_addr . ipv4_addr
		elements = { 10.42.0.2 . 10.42.0.2 }
	}

	set clients-abc {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 3h
	}

	chain no-endpoints {
		meta l4proto 6 reject with tcp reset
		reject
	}

	chain cluster-by-address-1 {
		ip saddr != 10.42.0.0/16 meta mark set meta mark | 0x00004000
		goto to-outside-by-address-0
	}
}
`;
  const table = parseTable(text);
  expect([...table.elements.services]).toEqual([
    ["10.43.0.5 . 6 . 80", "goto cluster-by-address-1"],
    ["10.43.0.6 . 17 . 53", "goto cluster-by-address-2"],
  ]);
  expect([...table.elements.hairpins]).toEqual([["10.42.0.2 . 10.42.0.2", ""]]);
  expect([...table.memories]).toEqual(["clients-abc"]);
  expect([...table.chains]).toEqual(["cluster-by-address-1"]);
  expect(table.rules.get("no-endpoints")).toBe(2);
});

describe("stale connections of UDP", () => {
  const line = (dst: string, dport: number, by: string, sport: number) =>
    `udp      17 29 src=10.42.0.9 dst=${dst} sport=4000 dport=${dport} src=${by} dst=10.42.0.9 sport=${sport} dport=4000 [ASSURED] mark=0 use=1`;
  const target = { address: "10.42.0.2", port: 5353, local: true };
  const flows = [
    { address: "10.43.0.10", port: 53, targets: [target] },
    { address: undefined, port: 30053, targets: [target] },
    { address: "10.43.0.11", port: 53, targets: [] },
  ];

  test.each([
    ["to an endpoint", line("10.43.0.10", 53, "10.42.0.2", 5353), 0],
    ["to one that is gone", line("10.43.0.10", 53, "10.42.0.3", 5353), 1],
    ["to nobody, from before there were endpoints", line("10.43.0.10", 53, "10.43.0.10", 53), 1],
    ["at a node port, to one that is gone", line("192.0.2.10", 30053, "10.42.0.3", 5353), 1],
    ["to another machine's port of that number", line("198.51.100.1", 30053, "198.51.100.1", 30053), 0],
    ["of a Service that is gone", line("10.43.0.11", 53, "10.42.0.3", 5353), 1],
    ["of none of ours", line("8.8.8.8", 53, "8.8.8.8", 53), 0],
  ])("%s", (_, text, count) => {
    expect(staleOf(parseEntries(text), flows, new Set(["192.0.2.10"]))).toHaveLength(count);
  });
});
