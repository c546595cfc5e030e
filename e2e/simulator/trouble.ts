/**
 * Trouble: what befalls the requests and watches of each process now, out of the plan's faults.
 *
 * Each fault that befell something counts as met, and stands in the trace. Faults of processes and
 * nodes as a whole are in storm.ts; connection.ts asks here and suffers.
 */
import type { Fault, Loss } from "./faults.ts";
import { random } from "./random.ts";

/** What happens to one write; "crash" ends the process with it. */
export type WriteFate =
  | { readonly kind: "passes" }
  | { readonly kind: "conflict" }
  | { readonly kind: "lost"; readonly how: Loss }
  | { readonly kind: "crash"; readonly how: Loss; readonly downMs: number };

export interface Trouble {
  /** From now on the fault can befall something. */
  begin(fault: Fault): void;
  /** The storm is over: nothing befalls anything any more. */
  end(): void;
  write(process: string): WriteFate;
  /** Until when watch events of the resource are held back. */
  heldUntil(process: string, resource: string): number;
  /** Until when an answered list of the resource is on its way. */
  lateUntil(process: string, resource: string): number;
  repeats(process: string, resource: string): boolean;
  /** Calls back when a watch is to break. */
  watching(process: string, resource: string, cut: (expired: boolean) => void): () => void;
  /** How many milliseconds behind a list of any age may be now. */
  staleness(): number;
}

interface Open {
  readonly fault: Fault;
  /** Writes until a counted fault happens. */
  left: number;
}

const PASSES: WriteFate = { kind: "passes" };

export function createTrouble(seed: number, elapsed: () => number, say: (text: string) => void): Trouble {
  let open: Open[] = [];
  const watches = new Set<{ process: string; resource: string; cut: (expired: boolean) => void }>();
  const dice = new Map<Fault, ReturnType<typeof random>>();

  const lasts = ({ fault }: Open) => "ms" in fault && elapsed() < fault.at + fault.ms;
  const lasting = <K extends Fault["kind"]>(kind: K) =>
    open
      .filter((one) => one.fault.kind === kind && lasts(one))
      .map(({ fault }) => fault as Extract<Fault, { kind: K }>);
  const counted = (process: string): Fault | undefined => {
    let due: Open | undefined;
    for (const one of open) {
      const { fault } = one;
      if ((fault.kind === "crash" || fault.kind === "conflict") && fault.process === process && --one.left <= 0)
        due ??= one;
    }
    if (due) open = open.filter((one) => one !== due);
    return due?.fault;
  };

  const untilEnd = (kind: "hold" | "late", process: string, resource: string) => {
    let until = 0;
    for (const one of open) {
      const { fault } = one;
      if (fault.kind === kind && fault.process === process && fault.resource === resource && lasts(one))
        until = Math.max(until, fault.at + fault.ms);
    }
    return until;
  };
  /** How the next life of a process that crashes now begins. */
  const reborn = ({ process, downMs, late, behindMs }: Extract<Fault, { kind: "crash" }>) => {
    const at = elapsed();
    if (late) {
      const { resource } = late;
      open.push({ fault: { at, kind: "late", process, resource, ms: downMs + late.ms }, left: 0 });
      open.push({ fault: { at, kind: "hold", process, resource, ms: downMs + 2 * late.ms }, left: 0 });
    }
    if (behindMs) open.push({ fault: { at, kind: "stale", behindMs, ms: downMs + 1_000 }, left: 0 });
  };

  return {
    begin(fault) {
      if (fault.kind === "cut") {
        for (const watch of [...watches])
          if (watch.process === fault.process && watch.resource === fault.resource) watch.cut(fault.expired);
        return;
      }
      open.push({ fault, left: "writes" in fault ? fault.writes : 0 });
      dice.set(fault, random(seed, "dice", JSON.stringify(fault)));
    },
    end() {
      open = [];
    },
    write(process) {
      if (open.length === 0) return PASSES;
      const due = counted(process);
      if (due?.kind === "crash") {
        reborn(due);
        return { kind: "crash", how: due.how, downMs: due.downMs };
      }
      if (due?.kind === "conflict") return { kind: "conflict" };
      for (const fault of lasting("loss"))
        if (fault.process === process && dice.get(fault)?.chance(fault.share)) {
          say(`a write of ${process} is lost: ${fault.how}`);
          return { kind: "lost", how: fault.how };
        }
      return PASSES;
    },
    heldUntil: (process, resource) => untilEnd("hold", process, resource),
    lateUntil: (process, resource) => untilEnd("late", process, resource),
    repeats: (process, resource) =>
      lasting("repeat").some((fault) => fault.process === process && fault.resource === resource),
    watching(process, resource, cut) {
      const entry = { process, resource, cut };
      watches.add(entry);
      return () => void watches.delete(entry);
    },
    staleness: () => Math.max(0, ...lasting("stale").map(({ behindMs }) => behindMs)),
  };
}
