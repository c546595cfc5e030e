/** The Progressing condition and the deadline. */
import { describe, expect, it } from "vitest";
import type { Deployment, ReplicaSet } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { rolloutStatus, timeToDeadline } from "./deployment-status.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");

function deployment(progressing: object | undefined, counts: object = {}, spec: object = {}): Deployment {
  return {
    metadata: { name: "web", uid: "d", resourceVersion: "1", creationTimestamp: "", generation: 1 },
    spec: { replicas: 2, progressDeadlineSeconds: 60, ...spec },
    status: { ...counts, conditions: progressing ? [{ type: "Progressing", ...progressing }] : [] },
  } as unknown as Deployment;
}

const set = (replicas: number, available: number): ReplicaSet =>
  ({
    metadata: { name: "web-1", uid: "s", resourceVersion: "1", creationTimestamp: "" },
    spec: { replicas },
    status: { replicas, readyReplicas: available, availableReplicas: available },
  }) as unknown as ReplicaSet;

const progressing = (status: Deployment["status"]) => status?.conditions?.find(({ type }) => type === "Progressing");
const updating = (secondsAgo: number) => ({
  status: "True",
  reason: "ReplicaSetUpdated",
  lastUpdateTime: wireTime(NOW - secondsAgo * 1000),
  lastTransitionTime: wireTime(NOW - 1_000_000),
});

describe("Progressing", () => {
  it("renews its time with each step, not its transition", () => {
    const next = set(2, 1);
    const status = rolloutStatus(deployment(updating(50), { replicas: 2, updatedReplicas: 2 }), [next], next, NOW);
    expect(progressing(status)).toMatchObject({
      reason: "ReplicaSetUpdated",
      message: 'ReplicaSet "web-1" is progressing.',
      lastUpdateTime: wireTime(NOW),
      lastTransitionTime: wireTime(NOW - 1_000_000),
    });
  });

  it("fails when nothing moved within the deadline, and stays so", () => {
    const next = set(2, 0);
    const stuck = deployment(updating(61), { replicas: 2, updatedReplicas: 2 });
    const status = rolloutStatus(stuck, [next], next, NOW);
    expect(progressing(status)).toMatchObject({
      status: "False",
      reason: "ProgressDeadlineExceeded",
      message: 'ReplicaSet "web-1" has timed out progressing.',
    });
    const later = rolloutStatus({ ...stuck, status } as Deployment, [next], next, NOW + 1_000_000);
    expect(progressing(later)).toEqual(progressing(status));
    expect(timeToDeadline(stuck, status, NOW)).toBeUndefined();
  });

  it("is complete once all are available, and does not time out when Pods are lost later", () => {
    const next = set(2, 2);
    const status = rolloutStatus(deployment(updating(5)), [next], next, NOW);
    expect(progressing(status)?.reason).toBe("NewReplicaSetAvailable");
    const degraded = set(2, 1);
    const later = rolloutStatus(
      { ...deployment(undefined), status } as Deployment,
      [degraded],
      degraded,
      NOW + 1_000_000,
    );
    expect(progressing(later)?.reason).toBe("NewReplicaSetAvailable");
  });

  it("is absent without a deadline", () => {
    const next = set(2, 1);
    const without = deployment(updating(5), {}, { progressDeadlineSeconds: 2 ** 31 - 1 });
    expect(progressing(rolloutStatus(without, [next], next, NOW))).toBeUndefined();
  });
});

it("a rollout that stands still is looked at again just after its deadline", () => {
  const waiting = deployment(updating(20));
  expect(timeToDeadline(waiting, waiting.status ?? {}, NOW)).toBe(41_000);
  const paused = deployment(updating(20), {}, { paused: true });
  expect(timeToDeadline(paused, paused.status ?? {}, NOW)).toBeUndefined();
});

it("reports why Pods cannot be made", () => {
  const next = set(2, 0);
  next.status!.conditions = [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "quota" }];
  const status = rolloutStatus(deployment(updating(1)), [next], next, NOW);
  expect(status.conditions?.find(({ type }) => type === "ReplicaFailure")).toMatchObject({
    status: "True",
    reason: "FailedCreate",
    message: "quota",
  });
});
