/**
 * Component: the shape in which main.ts knows every process.
 *
 * A component's flags are data, so `--help`, parsing and docs cannot differ.
 * `run` resolves when the component has stopped cleanly after `signal` aborted.
 */
import type { Clock } from "./clock.ts";
import type { Logger } from "./logging.ts";

export interface Flag {
  readonly type: "string" | "boolean" | "number";
  /** One line for --help. */
  readonly help: string;
  readonly default?: string | boolean | number;
  /** May be given several times; the value is an array. */
  readonly multiple?: boolean;
  /** Name of the value in --help: "FILE". */
  readonly value?: string;
}

export type Flags = Readonly<Record<string, Flag>>;

type FlagValue<F extends Flag> = F extends { multiple: true }
  ? readonly string[]
  : F extends { type: "boolean" }
    ? boolean
    : F extends { type: "number" }
      ? F extends { default: number }
        ? number
        : number | undefined
      : F extends { default: string }
        ? string
        : string | undefined;

export type FlagValues<F extends Flags> = { readonly [K in keyof F]: FlagValue<F[K]> };

export interface ComponentContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted on SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
  /** $K8TS_HOME, absolute. */
  readonly home: string;
  /** Says that the component serves now. The supervisor and tests wait for it. */
  ready(): void;
}

export interface Component<F extends Flags = Flags> {
  readonly name: string;
  readonly summary: string;
  readonly flags: F;
  /** For a person who waits, not a process that stays: writes no log unless --log-file is given. */
  readonly command?: true;
  /** How much longer than others it may take to stop, in ms. */
  stopsLater?(flags: FlagValues<F>): number;
  run(flags: FlagValues<F>, context: ComponentContext): Promise<void>;
}

export function defineComponent<const F extends Flags>(component: Component<F>): Component<F> {
  return component;
}
