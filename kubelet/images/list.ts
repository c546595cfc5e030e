/**
 * List: the images that the runtime behind a CRI socket has (`k8ts images list`).
 */
import { connectRuntime } from "../cri/client.ts";
import type { Image } from "../cri/messages.ts";

export async function listImages({ socket }: { readonly socket: string }): Promise<readonly Image[]> {
  const { images } = await connectRuntime({ socket }).listImages({});
  return images.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

/** A table as people read it: one line an image name. */
export function imageTable(images: readonly Image[]): string {
  const rows = images.flatMap((image) =>
    (image.repoTags.length > 0 ? image.repoTags : ["<none>"]).map((name) => row(name, image)),
  );
  const all = [["IMAGE", "IMAGE ID", "SIZE"], ...rows];
  const width = (column: number) => Math.max(...all.map((cells) => cells[column]?.length ?? 0));
  const widths = [width(0), width(1)];
  return all
    .map((cells) => `${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ")}`.trimEnd())
    .join("\n");
}

function row(name: string, { id, size }: Image): readonly string[] {
  return [name, id.replace("sha256:", "").slice(0, 13), `${(size / 1_000_000).toFixed(size < 10_000_000 ? 2 : 1)}MB`];
}

const nameOf = (image: Image) => image.repoTags[0] ?? image.repoDigests[0] ?? image.id;
