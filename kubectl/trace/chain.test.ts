/** The causal chain out of kept versions: what caused what, what is hidden, what is no longer known. */
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { chainOf, type Step, type Traced, type Version } from "./chain.ts";
import { changesBetween } from "./changes.ts";

let time = 1_000_000;
const version = (
  revision: number,
  object: Partial<KubeObject> | undefined,
  cause: { verb?: string; user?: string; controller?: string; causeRevision?: number } = {},
): Version => ({
  type: object ? "put" : "delete",
  resourceVersion: String(revision),
  cause: {
    user: cause.user ?? "system:x",
    verb: cause.verb ?? "update",
    time: time++,
    ...(cause.controller ? { controller: cause.controller } : {}),
    ...(cause.causeRevision ? { causeRevision: String(cause.causeRevision) } : {}),
  },
  ...(object ? { object: { apiVersion: "v1", kind: "X", metadata: { uid: "u" }, ...object } as KubeObject } : {}),
});

const traced = (name: string, versions: Version[], more: Partial<Traced> = {}): Traced => ({
  name,
  uid: name,
  ownerUid: undefined,
  versions,
  asked: true,
  ...more,
});

const shape = (steps: readonly Step[]): unknown =>
  steps.map(({ revision, children }) => (children.length > 0 ? [revision, shape(children)] : revision));

describe("chain", () => {
  const deployment = traced("d", [
    version(1, { spec: { replicas: 1 } }, { verb: "create", user: "admin" }),
    version(4, { spec: { replicas: 1 }, status: { replicas: 1 } }, { controller: "dc", causeRevision: 3 }),
    version(7, { spec: { replicas: 2 }, status: { replicas: 1 } }, { user: "admin" }),
  ]);
  const set = traced(
    "rs",
    [
      version(2, { spec: { replicas: 1 } }, { verb: "create", controller: "dc", causeRevision: 1 }),
      version(8, { spec: { replicas: 2 } }, { controller: "dc", causeRevision: 7 }),
    ],
    { ownerUid: "d" },
  );
  const pod = traced(
    "p",
    [
      version(3, { spec: {} }, { verb: "create", controller: "rc", causeRevision: 2 }),
      version(5, { spec: { nodeName: "n" } }, { controller: "scheduler", causeRevision: 3 }),
      version(
        6,
        {
          spec: { nodeName: "n" },
          status: {
            phase: "Running",
            containerStatuses: [{ name: "c", restartCount: 0, state: { running: { startedAt: "t" } } }],
          },
        },
        { user: "system:node:n" },
      ),
    ],
    { ownerUid: "rs" },
  );

  test("each step stands below what caused it, without those that only count along", () => {
    const { roots, hidden } = chainOf([deployment, set, pod], { all: false });
    expect(shape(roots)).toEqual([
      ["1", [["2", [["3", [["5", ["6"]]]]]]]],
      ["7", ["8"]],
    ]);
    expect(hidden).toBe(1);
    expect(shape(chainOf([deployment, set, pod], { all: true }).roots)).toEqual([
      ["1", [["2", [["3", ["4", ["5", ["6"]]]]]]]],
      ["7", ["8"]],
    ]);
  });

  test("of ancestors only what led to the one that was asked for", () => {
    const ancestors = [deployment, set].map((one) => ({ ...one, asked: false }));
    expect(shape(chainOf([...ancestors, pod], { all: true }).roots)).toEqual([["1", [["2", [["3", [["5", ["6"]]]]]]]]]);
  });

  test("a cause that is no longer kept is named, and the owner's step stands in for it", () => {
    const late = traced("p", [version(9, { spec: {} }, { verb: "create", controller: "rc", causeRevision: 5 })], {
      ownerUid: "d",
    });
    const { roots } = chainOf([deployment, late], { all: false });
    const step = roots.flatMap(({ children }) => children).find(({ name }) => name === "p");
    expect(step).toMatchObject({ revision: "9", causedBy: "5" });
  });

  test("without any history of its owner a step is a root of its own", () => {
    expect(shape(chainOf([pod], { all: false }).roots)).toEqual([["3", [["5", ["6"]]]]]);
  });
});

describe("changes in words", () => {
  const object = (more: Record<string, unknown>): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "x" },
    ...more,
  });
  const words = (before: Record<string, unknown>, after: Record<string, unknown>) =>
    changesBetween(object(before), object(after), false).map(({ text }) => text);
  const status = (state: unknown, restartCount = 0) => ({
    status: { containerStatuses: [{ name: "c", state, restartCount }] },
  });

  test.for([
    [{}, { spec: { nodeName: "n1" } }, "bound to node n1"],
    [{ spec: { replicas: 1 } }, { spec: { replicas: 3 } }, "scaled from 1 to 3"],
    [{}, { metadata: { name: "x", deletionTimestamp: "t" } }, "marked for deletion"],
    [{ spec: { paused: true } }, { spec: {} }, "spec changed (paused)"],
    [{}, { data: { a: "b" } }, "changed (data)"],
    [status({}), status({ running: { startedAt: "t" } }), "container c started"],
    [status({}), status({ running: { startedAt: "t" } }, 2), "container c started again (restart 2)"],
    [
      status({}),
      status({ terminated: { exitCode: 137, reason: "OOMKilled" } }),
      "container c ended with 137 (OOMKilled)",
    ],
    [status({}), status({ waiting: { reason: "ErrImagePull" } }), "container c waits: ErrImagePull"],
    [{ status: {} }, { status: { conditions: [{ type: "Ready", status: "True" }] } }, "ready"],
    [
      {},
      { status: { conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }] } },
      "not scheduled: 0/1 nodes are available",
    ],
  ] as const)("%#: %j", ([before, after, text]) => {
    expect(words(before, after)).toContain(text);
  });

  test("a new image is named", () => {
    const template = (image: string) => ({ spec: { template: { spec: { containers: [{ name: "web", image }] } } } });
    expect(words(template("a:1"), template("a:2"))).toEqual(["pod template changed (image of web: a:1 ► a:2)"]);
  });

  test("a first version that is not a creation says so, and a deletion too", () => {
    expect(changesBetween(undefined, object({}), false)).toEqual([
      { text: "as it was in the oldest version kept", main: true },
    ]);
    expect(changesBetween(object({}), undefined, false)).toEqual([{ text: "deleted", main: true }]);
  });
});
