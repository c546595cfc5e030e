/** The Pod cases over containerd. Over the simulated runtime: pod-cases/simulated.test.ts. */
import { describe } from "vitest";
import { startRealNode } from "../e2e/harness/real-node.ts";
import { podCases } from "./pod-cases/pod.cases.ts";
import { whyNoContainerd } from "./runtime/containerd/containerd.fixture.ts";

describe.skipIf(whyNoContainerd())("a Pod", () => podCases("containerd", startRealNode));
