/**
 * Behaviour: what a simulated container does, as its Pod's annotations say.
 *
 * `simulated.k8ts.dev/<setting>` counts for every container of the Pod,
 * `simulated.k8ts.dev/<setting>.<container>` for one. Pure.
 */
import { CriError } from "../../cri/errors.ts";

export interface Behaviour {
  /** How long pulling its image takes. */
  readonly pullMs: number;
  /** How long StartContainer takes. */
  readonly startMs: number;
  /** How long it runs by itself; Infinity: until it is stopped. */
  readonly runMs: number;
  /** With which code it ends by itself. */
  readonly exitCode: number;
  /** It ends by the OOM killer instead. */
  readonly oomKilled: boolean;
  /** How long after its start commands (exec probes) succeed. */
  readonly readyAfterMs: number;
  /** How long it takes to end when it is asked to. */
  readonly stopMs: number;
  /** How often it writes a line to its log; Infinity: only when it starts and ends. */
  readonly logEveryMs: number;
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
  /** Pulling its image fails with this message. */
  readonly pullError: string | undefined;
}

const PREFIX = "simulated.k8ts.dev/";
const MEBIBYTE = 1024 * 1024;

/** `attempt` is how often it was restarted: "1,1,0" fails twice, then succeeds. */
export function behaviourOf(
  annotations: Readonly<Record<string, string>> | undefined,
  container: string,
  attempt = 0,
): Behaviour {
  const text = (setting: string) =>
    annotations?.[`${PREFIX}${setting}.${container}`] ?? annotations?.[PREFIX + setting];
  const number = (setting: string, fallback: number) => {
    const list = text(setting)?.split(",");
    const given = list?.[Math.min(attempt, list.length - 1)]?.trim();
    if (given === undefined) return fallback;
    const value = Number(given);
    if (given === "" || !Number.isFinite(value) || value < 0)
      throw new CriError(
        "InvalidArgument",
        `annotation ${PREFIX}${setting} takes numbers of 0 or more, not "${given}"`,
      );
    return value;
  };
  return {
    pullMs: number("pull-seconds", 0) * 1000,
    startMs: number("start-seconds", 0) * 1000,
    runMs: number("run-seconds", Number.POSITIVE_INFINITY) * 1000,
    exitCode: number("exit-code", 0),
    oomKilled: text("oom-killed") === "true",
    readyAfterMs: number("ready-after-seconds", 0) * 1000,
    stopMs: number("stop-seconds", 0) * 1000,
    logEveryMs: number("log-every-seconds", Number.POSITIVE_INFINITY) * 1000,
    cpuMillicores: number("cpu-millicores", 1),
    memoryBytes: number("memory-mebibytes", 10) * MEBIBYTE,
    pullError: text("pull-error"),
  };
}
