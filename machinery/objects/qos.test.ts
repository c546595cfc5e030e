import { expect, test } from "vitest";
import type { PodSpec } from "./kinds.ts";
import { qosClass } from "./qos.ts";

const pod = (...resources: NonNullable<PodSpec["containers"][number]["resources"]>[]): PodSpec => ({
  containers: resources.map((one, index) => ({ name: `c${index}`, resources: one })),
});
const full = { cpu: "1", memory: "1Gi" };

test.each([
  ["no container asks for anything", pod({}, {}), "BestEffort"],
  ["amounts of zero count as nothing", pod({ requests: { cpu: "0" } }), "BestEffort"],
  [
    "limits equal requests everywhere",
    pod({ limits: full, requests: { cpu: "1000m", memory: "1024Mi" } }),
    "Guaranteed",
  ],
  ["limits without requests", pod({ limits: full }), "Guaranteed"],
  ["one container has no limits", pod({ limits: full }, {}), "Burstable"],
  ["a request below its limit", pod({ limits: full, requests: { cpu: "500m" } }), "Burstable"],
  ["only other resources are asked for", pod({ requests: { "example.com/gpu": "1" } }), "BestEffort"],
] as const)("quality of service where %s", (_why, spec, wanted) => {
  expect(qosClass(spec)).toBe(wanted);
});
