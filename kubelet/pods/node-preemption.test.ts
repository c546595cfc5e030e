import { describe, expect, it } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { takenBy } from "./node-admission.ts";
import { victims } from "./node-preemption.ts";
import { aPod, container } from "./pod.fixture.ts";

const pod = (name: string, requests: Record<string, string>, extra: object = {}, limits?: object): Pod =>
  aPod(
    { containers: [container("main", { resources: { requests, ...(limits ? { limits } : {}) } as never })], ...extra },
    { name, uid: name },
  );
const guaranteed = (name: string, cpu: string) => pod(name, { cpu, memory: "1Gi" }, {}, { cpu, memory: "1Gi" });
const critical = pod("critical", { cpu: "1" }, { priority: 2_000_001_000 });
const short = (cpu: number) => [{ name: "cpu", requested: cpu, used: 4000, capacity: 4000 }];
const names = (residents: readonly Pod[], missing: number) => {
  const found = victims(
    critical,
    residents.map((one) => ({ pod: one, taken: takenBy(one) })),
    short(missing),
  );
  return "missing" in found ? found.missing : found.chosen.map((one) => one.pod.metadata.name);
};

describe("Pods that make way for a critical one", () => {
  const cases: readonly [string, readonly Pod[], number, readonly string[] | string][] = [
    [
      "are as few as will do",
      [pod("a", { cpu: "500m" }), pod("b", { cpu: "600m" }), pod("c", { cpu: "1" })],
      1000,
      ["c"],
    ],
    [
      "are the smallest that will do",
      [pod("a", { cpu: "3" }), pod("b", { cpu: "1", memory: "1Mi" }), pod("c", { cpu: "1", memory: "2Mi" })],
      1000,
      ["a"],
    ],
    ["are several where one is not enough", [pod("a", { cpu: "500m" }), pod("b", { cpu: "600m" })], 1000, ["b", "a"]],
    [
      "are never Guaranteed where others are enough",
      [guaranteed("g", "1"), pod("a", { cpu: "500m" }), pod("b", { cpu: "500m" })],
      1000,
      ["a", "b"],
    ],
    ["are Guaranteed where others are not enough", [guaranteed("g", "1"), pod("a", { cpu: "500m" })], 1000, ["g"]],
    [
      "are never as critical themselves",
      [pod("a", { cpu: "4" }, { priority: 2_000_001_000 })],
      1000,
      "[(res: cpu, q: 1000), ]",
    ],
    ["may be less critical", [pod("a", { cpu: "4" }, { priority: 2_000_000_000 })], 1000, ["a"]],
  ];
  it.each(cases)("%s", (_name, residents, missing, expected) => {
    const found = names(residents, missing);
    expect(typeof found === "string" ? found : [...found].sort()).toEqual(
      typeof expected === "string" ? expected : [...expected].sort(),
    );
  });
});
