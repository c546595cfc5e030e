import { describe, expect, test } from "vitest";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { decide, verdictsOf } from "./decide.ts";
import { failureMessage } from "./failure-message.ts";
import { defaultProfile } from "./plugins/plugins.ts";
import { podInfo } from "./pod-info.ts";
import { asking, cluster, node, type PodSample, pod, sampleHandle } from "./sample-cluster.ts";
import { createSnapshot } from "./snapshot.ts";
import { createVerdictMemo } from "./verdict-memo.ts";

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";
const STEPS = 150;
const NODES = 110;

const selector = (app: string) => ({ labelSelector: { matchLabels: { app } } });
const term = (app: string, topologyKey: string, more = {}) => ({ ...selector(app), topologyKey, ...more });
const spread = (app: string, topologyKey: string, whenUnsatisfiable: string, more = {}) => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable,
  ...selector(app),
  ...more,
});

/** What Pods may say; each is of an app and a priority besides. */
const SHAPES: readonly PodSample[] = [
  {},
  asking("500m"),
  { nodeSelector: { disk: "ssd" } },
  { tolerations: [{ key: "k", operator: "Exists" }] },
  { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080 }] }] },
  { topologySpreadConstraints: [spread("a", ZONE, "DoNotSchedule"), spread("a", HOST, "ScheduleAnyway")] },
  { topologySpreadConstraints: [spread("b", ZONE, "DoNotSchedule", { minDomains: 4, nodeTaintsPolicy: "Honor" })] },
  { topologySpreadConstraints: [spread("b", HOST, "DoNotSchedule")], nodeSelector: { disk: "ssd" } },
  { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("a", ZONE)] } } },
  { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("a", HOST)] } } },
  {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          term("b", ZONE, { namespaceSelector: { matchLabels: { team: "x" } } }),
        ],
      },
    },
  },
  {
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: term("a", ZONE) }],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 20, podAffinityTerm: term("b", HOST) }],
      },
    },
  },
];

const NAMESPACES = {
  namespaces: [{ metadata: { name: "default", labels: { team: "x" } } }, { metadata: { name: "other" } }],
};

/**
 * A cluster that changes at random; after each step what is kept up to date must say the same of a Pod as
 * a snapshot that is made anew, with nothing remembered.
 */
describe("a snapshot that is changed step by step", () => {
  test.each([1, 2, 3])("decides as one that is made anew, seed %i", async (seed) => {
    const clock = fakeClock(0, seed);
    const draw = (below: number) => Math.floor(clock.random() * below);
    const { listers } = cluster([], [], NAMESPACES);
    const kept = createSnapshot(listers);
    const memo = createVerdictMemo();
    const { nominations } = kept;
    const profile = defaultProfile({ ...sampleHandle(kept.cluster), nominations });
    const nodes = new Map<string, Node>();
    const placed = new Map<string, readonly [Pod, string]>();
    const nominated: string[] = [];
    let names = 0;

    const somePod = (): Pod => {
      const app = ["a", "b", "c"][draw(3)] as string;
      const namespace = draw(4) === 0 ? "other" : "default";
      const shape = SHAPES[draw(SHAPES.length)] as PodSample;
      return pod(`p${names++}`, { ...shape, labels: { app }, namespace, priority: draw(3), deleting: draw(8) === 0 });
    };
    const putNode = (n: number) => {
      const taints = draw(4) === 0 ? [{ key: "k", effect: draw(2) ? "NoSchedule" : "PreferNoSchedule" }] : [];
      const labels = draw(2) ? { disk: "ssd" } : {};
      const one = node(`n${n}`, {
        labels,
        ...(draw(6) ? { zone: `z${draw(3)}` } : {}),
        spec: { taints, unschedulable: draw(12) === 0 },
        allocatable: { cpu: `${1 + draw(3)}`, memory: "4Gi", pods: "5" },
      });
      nodes.set(one.metadata.name, one);
      kept.setNode(one);
    };
    const steps = [
      () => putNode(draw(NODES)),
      () => {
        const name = `n${draw(NODES)}`;
        nodes.delete(name);
        kept.removeNode(name);
      },
      () => {
        const one = somePod();
        const where = `n${draw(NODES)}`;
        placed.set(one.metadata.uid, [one, where]);
        kept.assume(podInfo(one), where);
      },
      () => {
        const [uid] = [...placed.keys()].slice(draw(Math.max(placed.size, 1)));
        if (uid === undefined) return;
        placed.delete(uid);
        kept.removePod(uid);
      },
      () => {
        const coming = podInfo(somePod());
        nominations.nominate(coming, `n${draw(NODES)}`);
        nominated.push(coming.pod.metadata.uid);
      },
      () => nominations.remove(nominated.splice(draw(nominated.length), 1)[0] ?? ""),
    ];
    for (let n = 0; n < NODES; n++) putNode(n);
    for (let step = 0; step < STEPS; step++) {
      for (let change = 0; change < 4; change++) steps[[0, 1, 2, 2, 2, 3, 4, 5][draw(8)] as number]?.();
      const what = podInfo(somePod());
      const anew = cluster([...nodes.values()], [...placed.values()], NAMESPACES);
      const search = { random: () => 0, all: true, nominations };
      const [one, other] = [
        decide(what, kept.cluster, profile, { ...search, memo }),
        decide(what, anew, profile, search),
      ];
      const byName = (decision: typeof one) =>
        verdictsOf(decision)
          .map(({ node: name, refused, total }) => `${name} ${refused?.reasons.join() ?? ""} ${total ?? ""}`)
          .sort();
      expect(byName(one)).toEqual(byName(other));
      expect(failureMessage(one)).toBe(failureMessage(other));
    }
  });
});
