/**
 * Image names: which images are pulled each time a container starts, unless the author says otherwise.
 */

/** "Always" where the tag is latest, given or implied; a digest never changes. */
export function defaultPullPolicy(image: string | undefined): "Always" | "IfNotPresent" {
  if (!image || image.includes("@")) return "IfNotPresent";
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}
