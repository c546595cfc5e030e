/** Which of two Pods goes first. */
import { expect, it } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { podsToDelete } from "./pod-deletion-order.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

interface Traits {
  node?: string;
  phase?: string;
  /** Seconds since it got ready. */
  ready?: number;
  cost?: string;
  restarts?: number;
  age?: number;
}

function pod(
  name: string,
  { node = "n1", phase = "Running", ready = 100, cost, restarts = 0, age = 1000 }: Traits = {},
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      uid: name,
      resourceVersion: "1",
      creationTimestamp: ago(age),
      ...(cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } }),
    },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: {
      phase,
      conditions: ready < 0 ? [] : [{ type: "Ready", status: "True", lastTransitionTime: ago(ready) }],
      containerStatuses: [{ name: "c", image: "", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

it.each<[string, Traits, Traits]>([
  ["without a node", { node: "" }, { cost: "-5" }],
  ["that is pending", { phase: "Pending" }, {}],
  ["of unknown phase", { phase: "Unknown" }, {}],
  ["that is not ready", { ready: -1 }, { cost: "-5" }],
  ["that costs less", { cost: "-5" }, { ready: 1 }],
  ["that costs less than the one with a bad cost", { cost: "-1" }, { cost: "cheap" }],
  ["ready for much shorter", { ready: 10 }, { restarts: 5 }],
  ["that restarted more often", { restarts: 3 }, { restarts: 1, age: 1 }],
  ["that is much younger", { age: 10 }, { age: 1000 }],
])("a Pod %s goes first", (_what, first, second) => {
  const pods = [pod("a", second), pod("z", first)];
  expect(podsToDelete(pods, pods, 1, NOW).map(({ metadata }) => metadata.name)).toEqual(["z"]);
});

it("a Pod on the node with most of its kind goes first", () => {
  const pods = [pod("a", { node: "n1" }), pod("z", { node: "n2" })];
  const related = [...pods, pod("other", { node: "n2" })];
  expect(podsToDelete(pods, related, 1, NOW).map(({ metadata }) => metadata.name)).toEqual(["z"]);
});

it("of Pods of about the same age the uid decides", () => {
  const pods = [pod("b", { ready: 100 }), pod("a", { ready: 110 })];
  expect(podsToDelete(pods, pods, 1, NOW).map(({ metadata }) => metadata.name)).toEqual(["a"]);
});
