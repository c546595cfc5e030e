/**
 * Times of a CronJob: which one is due, and how long until the next. Pure.
 *
 * Of the times that passed only the latest counts, and only once: what was started last stands in
 * status.lastScheduleTime. What a schedule means: machinery/objects/cron.ts.
 */
import { latest, next } from "../machinery/objects/cron.ts";
import { CronError, isZone, parseSchedule, type Schedule } from "../machinery/objects/cron-schedule.ts";
import type { CronJob } from "../machinery/objects/kinds.ts";

/** Why a CronJob cannot be started at any time: the reason and message of a Warning. */
export interface Fault {
  readonly reason: "UnknownTimeZone" | "UnparseableSchedule" | "InvalidSchedule";
  readonly message: string;
}

export interface Times {
  /** The latest time that has passed and was not started yet. */
  readonly due: number | undefined;
  /** It passed longer ago than startingDeadlineSeconds. */
  readonly tooLate: boolean;
  /** So many passed that clocks or the deadline should be looked at. */
  readonly tooMany: boolean;
  /** Milliseconds until the next time. */
  readonly wait: number | undefined;
}

const MANY = 100;
/** A little after the time itself, so that every clock has reached it. */
const AFTER_MS = 100;

/** `since`: what was due before then is not started, for the schedule was another one. */
export function timesOf(cronJob: CronJob, now: number, since = Number.NEGATIVE_INFINITY): Times | Fault {
  const { schedule: text = "", timeZone: zone, startingDeadlineSeconds: deadline } = cronJob.spec ?? {};
  if (zone !== undefined && !isZone(zone))
    return { reason: "UnknownTimeZone", message: `invalid timeZone: "${zone}": unknown time zone ${zone}` };
  let schedule: Schedule;
  try {
    schedule = parseSchedule(text);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    return { reason: "UnparseableSchedule", message: `unparseable schedule: "${text}" : ${error.message}` };
  }

  const from = startedLast(cronJob);
  const first = next(schedule, zone, from);
  const second = first === undefined ? undefined : next(schedule, zone, first);
  const passed = first === undefined || first <= now;
  if (passed && (first === undefined || second === undefined)) {
    const message = `invalid schedule: ${text} : time difference between two schedules is less than 1 second`;
    return { reason: "InvalidSchedule", message };
  }
  const last = latest(schedule, zone, from, now);
  const after = next(schedule, zone, last ?? from);
  return {
    due: last !== undefined && last > since ? last : undefined,
    tooLate: last !== undefined && deadline !== undefined && last + deadline * 1000 < now,
    tooMany: first !== undefined && second !== undefined && missed(first, second, earliest(from, deadline, now), now),
    wait: after === undefined ? undefined : Math.max(0, after - now) + AFTER_MS,
  };
}

/** When it was started last, or created. */
export function startedLast({ metadata, status }: CronJob): number {
  return Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp);
}

const earliest = (from: number, deadline: number | undefined, now: number): number =>
  deadline === undefined ? from : Math.max(from, now - deadline * 1000);

/** Counted by the distance of the first two: for an uneven schedule about right. */
function missed(first: number, second: number, from: number, now: number): boolean {
  const start = Math.max(first, from);
  return start <= now && Math.floor((now - start) / (second - first)) + 1 > MANY;
}
