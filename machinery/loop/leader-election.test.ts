/** Leader election against the real API server, under virtual time. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { createClient } from "../client/create-client.ts";
import type { Transport } from "../client/transport/contract.ts";
import { ApiError } from "../objects/status.ts";
import { type FakeClock, fakeClock } from "../process/fake-clock.ts";
import { silent } from "../process/logging.ts";
import { type ElectionOptions, electLeader, type Leadership, LeadershipLost } from "./leader-election.ts";

let pipeline: Pipeline;
let clock: FakeClock;
let candidates: Candidate[];
beforeEach(async () => {
  clock = fakeClock();
  pipeline = await startPipeline({ clock, advertiseAddress: "10.0.0.1" });
  candidates = [];
});
afterEach(async () => {
  for (const candidate of candidates) candidate.stop();
  await clock.advance(1);
  await pipeline.close();
});

interface Candidate {
  leading: Leadership | undefined;
  ended: unknown;
  /** The server is out of this candidate's reach. */
  cut: boolean;
  /** How long the process was stopped: its clock has gone on, its timers have not. */
  pausedMs: number;
  stop(): void;
}

function candidate(identity: string, options: Partial<ElectionOptions> = {}): Candidate {
  const stopping = new AbortController();
  const state: Candidate = {
    leading: undefined,
    ended: undefined,
    cut: false,
    pausedMs: 0,
    stop: () => stopping.abort(new Error("stopped")),
  };
  const inner = pipeline.transport();
  const transport: Transport = {
    ...inner,
    async request(request) {
      if (state.cut) throw new ApiError("ServiceUnavailable", "cut");
      return inner.request(request);
    },
  };
  const own = {
    ...clock,
    now: () => clock.now() + state.pausedMs,
    monotonic: () => clock.monotonic() + state.pausedMs,
  };
  const base = {
    client: createClient(transport),
    clock: own,
    log: silent,
    signal: stopping.signal,
    name: "test",
    identity,
  };
  electLeader({ ...base, ...options }, (leadership) => {
    state.leading = leadership;
    return new Promise((resolve) => leadership.signal.addEventListener("abort", () => resolve(), { once: true }));
  }).then(
    () => (state.ended = "ended"),
    (error: unknown) => (state.ended = error),
  );
  candidates.push(state);
  return state;
}

const isLeading = ({ leading }: Candidate) => leading !== undefined && !leading.signal.aborted;
const lease = () => pipeline.client().get("leases", { namespace: "kube-system", name: "test" });
const write = ({ leading }: Candidate, name: string) =>
  leading!.client.create("configmaps", { metadata: { namespace: "default", name } });

describe("leader election", () => {
  it("makes one of two candidates the leader, and the other when the first has stopped", async () => {
    const one = candidate("one");
    await clock.advance(10);
    const two = candidate("two");
    await clock.advance(60_000);
    expect([isLeading(one), isLeading(two)]).toEqual([true, false]);
    expect((await lease()).spec).toMatchObject({
      holderIdentity: "one",
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
    });
    one.stop();
    await clock.advance(5_000);
    expect([isLeading(one), isLeading(two)]).toEqual([false, true]);
    expect((await lease()).spec).toMatchObject({ holderIdentity: "two", leaseTransitions: 1 });
  });

  it("asks a server that was away again soon, and one that has another leader at its leisure", async () => {
    const late = candidate("late");
    late.cut = true;
    await clock.advance(1_000);
    late.cut = false;
    await clock.advance(500);
    expect(isLeading(late)).toBe(true);
  });

  it("stops a leader that cannot renew before another one starts", async () => {
    const one = candidate("one");
    await clock.advance(10);
    const two = candidate("two");
    await clock.advance(3_000);
    one.cut = true;
    let both = false;
    for (let i = 0; i < 300; i++) {
      await clock.advance(100);
      both ||= isLeading(one) && isLeading(two);
    }
    expect(both).toBe(false);
    expect(isLeading(two)).toBe(true);
    expect(one.ended).toBeInstanceOf(LeadershipLost);
  });

  it("refuses writes of a leader that has been stopped for long, before any timer of its ran", async () => {
    const one = candidate("one");
    await clock.advance(10);
    await write(one, "before");
    const current = await lease();
    await pipeline.client().update("leases", { ...current, spec: { ...current.spec, holderIdentity: "two" } });
    expect(isLeading(one)).toBe(true);
    one.pausedMs = 60_000;
    await expect(write(one, "after")).rejects.toThrow(/the lease went to two/);
    expect(await pipeline.client().find("configmaps", { namespace: "default", name: "after" })).toBeUndefined();
  });

  it("lets a leader go on writing after a pause in which nobody took its lease", async () => {
    const one = candidate("one");
    await clock.advance(10);
    one.pausedMs = 60_000;
    await write(one, "after");
    expect(isLeading(one)).toBe(true);
  });

  it("gives a held lease without a single further write, also to the same process started again", async () => {
    const one = candidate("same", { renew: false });
    await clock.advance(10);
    const before = await pipeline.store.revision();
    await clock.advance(3_600_000);
    expect(isLeading(one)).toBe(true);
    expect(await pipeline.store.revision()).toBe(before);
    one.stop();
    await clock.advance(10);
    const again = candidate("same", { renew: false });
    await clock.advance(10);
    expect(isLeading(again)).toBe(true);
  });

  it("takes a held lease away at once when someone else has it", async () => {
    const one = candidate("one", { renew: false });
    await clock.advance(10);
    const two = candidate("two");
    await clock.advance(20_000);
    expect([isLeading(one), isLeading(two)]).toEqual([false, true]);
    await expect(write(one, "late")).rejects.toThrow(/the lease went to two/);
  });

  it("waits for a server that is away", async () => {
    const one = candidate("one");
    one.cut = true;
    await clock.advance(10_000);
    expect(isLeading(one)).toBe(false);
    one.cut = false;
    await clock.advance(5_000);
    expect(isLeading(one)).toBe(true);
  });
});
