/**
 * Profile: the plugins that serve Pods of one schedulerName, in the order in which they are asked at each point.
 *
 * Profiles of one scheduler share its queue, so they sort it alike. What a profile is made from: plugins/plugins.ts
 * (the default), configuration.ts (a file).
 */
import type { Hint, Plugin } from "./framework.ts";

export interface Scoring {
  readonly plugin: Plugin;
  readonly weight: number;
}

export interface Profile {
  readonly schedulerName: string;
  /** 0: by the size of the cluster. */
  readonly percentageOfNodesToScore: number;
  readonly enqueueing: readonly Plugin[];
  readonly sorting: Plugin;
  readonly filtering: readonly Plugin[];
  readonly postFiltering: readonly Plugin[];
  readonly scoring: readonly Scoring[];
  readonly reserving: readonly Plugin[];
  readonly permitting: readonly Plugin[];
  readonly binding: readonly Plugin[];
  /** By the plugin's name. */
  readonly hints: ReadonlyMap<string, readonly Hint[]>;
}

export interface Enabled {
  readonly plugin: Plugin;
  /** Of its score; 1 where absent. */
  readonly weight?: number;
}

export const DEFAULT_SCHEDULER = "default-scheduler";

/** A profile in which each plugin serves at all points that it has. */
export function createProfile(
  schedulerName: string,
  enabled: readonly Enabled[],
  percentageOfNodesToScore = 0,
): Profile {
  const having = (point: keyof Plugin) => enabled.map(({ plugin }) => plugin).filter((plugin) => plugin[point]);
  const [sorting] = having("queueSort");
  if (!sorting) throw new TypeError(`profile ${schedulerName} has no plugin that sorts the queue`);
  return {
    schedulerName,
    percentageOfNodesToScore,
    sorting,
    enqueueing: having("preEnqueue"),
    filtering: having("preFilter"),
    postFiltering: having("postFilter"),
    scoring: enabled.flatMap(({ plugin, weight = 1 }) => (plugin.preScore && weight > 0 ? [{ plugin, weight }] : [])),
    reserving: having("reserve"),
    permitting: having("permit"),
    binding: having("bind"),
    hints: new Map(enabled.map(({ plugin }) => [plugin.name, plugin.hints ?? []])),
  };
}
