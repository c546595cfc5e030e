/**
 * ImageLocality: nodes that have the Pod's images already score higher, by the images' size.
 *
 * An image that few nodes have counts for less, so that Pods do not all go where the first one went.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { ScorePlugin } from "../framework.ts";

const MB = 1024 * 1024;
/** Less is not worth a preference; more, for each container, makes no difference. */
const BYTES = { least: 23 * MB, mostEach: 1000 * MB };

export const imageLocality: ScorePlugin = {
  name: "ImageLocality",
  weight: 1,
  preScore({ pod }, { nodes }) {
    const images = imagesOf(pod);
    const spread = new Map(
      images.map((image) => [image, nodes.filter((node) => node.images.has(image)).length / nodes.length]),
    );
    if (![...spread.values()].some((share) => share > 0)) return undefined;
    const most = BYTES.mostEach * images.length;
    return (node) => {
      const bytes = images.reduce(
        (sum, image) => sum + Math.floor((node.images.get(image) ?? 0) * (spread.get(image) ?? 0)),
        0,
      );
      return (100 * (Math.min(Math.max(bytes, BYTES.least), most) - BYTES.least)) / (most - BYTES.least);
    };
  },
};

function imagesOf({ spec }: Pod): readonly string[] {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const volumes = (spec?.volumes ?? []).flatMap(({ image }) => (image?.reference ? [image.reference] : []));
  return [...containers.flatMap(({ image }) => (image ? [image] : [])), ...volumes].map(withTag);
}

/** As nodes report it: "web" is "web:latest". */
const withTag = (image: string): string =>
  image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;
