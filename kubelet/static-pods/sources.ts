/**
 * Sources: all static Pods of a node, of its files and of a web server, as its settings say.
 *
 * The web server's come when it answers: nothing waits for it. Of two Pods of the same name the file's is run.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { KubeletSettings } from "../configuration.ts";
import { createSource, noSource, type Source, type SourceContext } from "./source.ts";
import { createUrlSource } from "./url-source.ts";

type Context = Pick<SourceContext, "nodeName" | "clock" | "log" | "signal">;

/** `usual`: where files lie unless the settings say otherwise. */
export function staticPodSource(context: Context, settings: KubeletSettings, usual: string | undefined): Source {
  const { staticPodPath: path = usual, staticPodURL: url, staticPodURLHeader: headers } = settings;
  const files = path ? createSource({ ...context, path, lookMs: settings.fileCheckFrequency }) : noSource;
  if (url === undefined) return files;
  return both(files, createUrlSource({ ...context, url, headers, lookMs: settings.httpCheckFrequency }));
}

function both(files: Source, web: Source): Source {
  let ofFiles: readonly Pod[] = [];
  let ofWeb: readonly Pod[] = [];
  const nameOf = ({ metadata }: Pod) => `${metadata.namespace}/${metadata.name}`;
  const all = () => {
    const names = new Set(ofFiles.map(nameOf));
    return [...ofFiles, ...ofWeb.filter((pod) => !names.has(nameOf(pod)))];
  };
  return {
    isComplete: () => files.isComplete() && web.isComplete(),
    async read() {
      ofFiles = await files.read();
      return all();
    },
    async follow(tell) {
      await Promise.all([
        files.follow((pods) => {
          ofFiles = pods;
          tell(all());
        }),
        web.follow((pods) => {
          ofWeb = pods;
          tell(all());
        }),
      ]);
    },
  };
}
