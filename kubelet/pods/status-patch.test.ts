import { describe, expect, it } from "vitest";
import type { PodStatus } from "../../machinery/objects/kinds.ts";
import { statusPatch } from "./status-patch.ts";

const ready = (status: string, more = {}) => ({ type: "Ready", status, lastTransitionTime: "t", ...more });

describe("status patch", () => {
  const cases: readonly [string, PodStatus, PodStatus, object | undefined][] = [
    ["nothing where nothing changed", { phase: "Running", podIPs: [] }, { phase: "Running" }, undefined],
    [
      "nothing for what is empty on one side",
      { containerStatuses: [{ name: "a", lastState: {} } as never] },
      { containerStatuses: [{ name: "a" } as never] },
      undefined,
    ],
    ["what changed, alone", { phase: "Pending", hostIP: "1" }, { phase: "Running", hostIP: "1" }, { phase: "Running" }],
    ["null for what is gone", { reason: "X", phase: "Failed" }, { phase: "Failed" }, { reason: null }],
    [
      "only the conditions that changed",
      { conditions: [ready("True"), { type: "Other", status: "True" }] },
      { conditions: [ready("False")] },
      { conditions: [ready("False")] },
    ],
    [
      "null for a reason that a condition lost",
      { conditions: [ready("False", { reason: "R" })] },
      { conditions: [ready("True")] },
      { conditions: [{ ...ready("True"), reason: null }] },
    ],
    [
      "the removal of an address",
      { podIPs: [{ ip: "1" }] },
      { podIPs: [{ ip: "2" }] },
      { podIPs: [{ ip: "2" }, { $patch: "delete", ip: "1" }] },
    ],
    [
      "whole container statuses",
      { containerStatuses: [{ name: "a", ready: false } as never] },
      { containerStatuses: [{ name: "a", ready: true } as never] },
      { containerStatuses: [{ name: "a", ready: true }] },
    ],
    [
      "nothing for conditions in another order, or of others",
      { conditions: [ready("True"), { type: "Other", status: "True" }, { type: "Third", status: "True" }] },
      { conditions: [{ type: "Other", status: "True" }, ready("True")] },
      undefined,
    ],
    ["nothing of what others own", { nominatedNodeName: "x" }, {}, undefined],
  ];
  it.each(cases)("says %s", (_name, from, to, wanted) => {
    expect(statusPatch(from, to)).toEqual(wanted);
  });
});
