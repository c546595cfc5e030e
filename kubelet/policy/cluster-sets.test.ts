import { expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { createClusterSets } from "./cluster-sets.ts";
import { clusterSets, pod, policy } from "./policy.fixture.ts";
import type { PolicyPod } from "./policy-pod.ts";
import { rulesOf } from "./rules.ts";

const policies = [
  policy("a", { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "x" } } }] }] }),
  policy("b", { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: "1" } } }] }] }),
  policy("c", { podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ port: "http" }] }] }),
  policy("d", {
    podSelector: {},
    ingress: [
      { from: [{ namespaceSelector: {}, podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] } }] },
    ],
  }),
];
const own = pod("own", "10.42.0.2");

test("sets that were kept up to date hold what they would if they were made anew", () => {
  const clock = fakeClock();
  const pick = (count: number) => Math.floor(clock.random() * count);
  const kept = createClusterSets("one");
  const pods = new Map<string, PolicyPod>();
  const namespaces = new Map<string, Record<string, string>>();
  for (let step = 0; step < 400; step++) {
    if (pick(5) === 0) {
      const [name, labels] = [`ns${pick(3)}`, pick(4) ? { team: pick(2) ? "x" : "y" } : undefined];
      kept.setNamespace(name, labels);
      if (labels) namespaces.set(name, labels);
      else namespaces.delete(name);
    } else {
      const number = pick(20);
      const namespace = pick(2) ? "default" : `ns${pick(3)}`;
      const labels: Record<string, string> = pick(3) ? { app: String(pick(3)) } : {};
      const ports = pick(2) ? [{ name: "http", protocol: "tcp", port: 80 + pick(2) }] : [];
      const one = pick(4)
        ? pod(`p${number}`, `10.42.1.${number}`, { namespace, labels, ports, nodeName: "two" })
        : undefined;
      kept.setPod(`p${number}`, one);
      if (one) pods.set(`p${number}`, one);
      else pods.delete(`p${number}`);
    }
    const anew = createClusterSets("one");
    for (const [name, labels] of namespaces) anew.setNamespace(name, labels);
    for (const [key, one] of pods) anew.setPod(key, one);
    expect(contents(kept), `step ${step}`).toEqual(contents(anew));
    if (pick(10) === 0) kept.forgetUnused();
  }
});

function contents(sets: ReturnType<typeof createClusterSets>): object {
  const rules = rulesOf({ policies, own: [own], sets });
  return Object.fromEntries([...rules.sets].map(([name, { elements }]) => [name, [...elements.keys()].sort()]));
}

test("a set that no change concerns stays the same object, one that nobody asked for is forgotten", () => {
  const sets = clusterSets([own]);
  const elements = () =>
    rulesOf({ policies: policies.slice(1, 2), own: [own], sets })
      .sets.values()
      .next().value?.elements;
  const before = elements();
  sets.setPod("other", pod("other", "10.42.1.1", { labels: { app: "2" } }));
  expect(elements()).toBe(before);
  sets.setPod("other", pod("other", "10.42.1.1", { labels: { app: "1" } }));
  expect([...(elements()?.keys() ?? [])]).toEqual(["10.42.1.1"]);
  sets.forgetUnused();
  sets.forgetUnused();
  expect(elements()).not.toBe(before);
});

test("one Pod's change among 10,000 costs little, whatever 100 policies ask of all", () => {
  const far = (index: number, app: number) =>
    pod(`p${index}`, `10.42.${index >> 8}.${index & 255}`, {
      namespace: `ns${index % 50}`,
      labels: { app: `app${app}` },
      nodeName: index < 110 ? "one" : "two",
    });
  const many = Array.from({ length: 100 }, (_, index) => {
    const from = [{ namespaceSelector: {}, podSelector: { matchLabels: { app: `app${index % 20}` } } }];
    return policy(`p${index}`, { podSelector: {}, ingress: [{ from }] }, `ns${index % 50}`);
  });
  const sets = clusterSets(Array.from({ length: 10_000 }, (_, index) => far(index, index % 20)));
  const build = () => rulesOf({ policies: many, own: sets.own(), sets });
  const start = performance.now();
  expect(build().elements.ingress4.size).toBe(110);
  const first = performance.now() - start;
  for (let index = 200; index < 220; index++) {
    sets.setPod(`ns${index % 50}/p${index}`, far(index, (index + 1) % 20));
    build();
  }
  const each = (performance.now() - start - first) / 20;
  expect(first).toBeLessThan(5_000);
  expect(each).toBeLessThan(100);
});
