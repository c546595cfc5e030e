/**
 * ImageLocality: nodes that have the Pod's images already score higher, by the images' size.
 *
 * An image that few nodes have counts for less, so that Pods do not all go where the first one went.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Plugin } from "../framework.ts";

const MB = 1024 * 1024;
/** Less is not worth a preference; more, for each container, makes no difference. */
const BYTES = { least: 23 * MB, mostEach: 1000 * MB };

export const imageLocality: Plugin = {
  name: "ImageLocality",
  preScore({ pod }, { nodes, nodesWithImage }) {
    const images = imagesOf(pod);
    const known = images.flatMap((image) => {
      const having = nodesWithImage(image);
      return having > 0 ? [{ image, share: having / nodes.length }] : [];
    });
    if (known.length === 0) return undefined;
    const most = BYTES.mostEach * images.length;
    return {
      score(node) {
        let bytes = 0;
        for (const { image, share } of known) bytes += Math.floor((node.images.get(image) ?? 0) * share);
        return (100 * (Math.min(Math.max(bytes, BYTES.least), most) - BYTES.least)) / (most - BYTES.least);
      },
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
